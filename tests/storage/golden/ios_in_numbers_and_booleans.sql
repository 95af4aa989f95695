SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."t", "t1"."n", "t1"."b", "t1"."d", "t1"."o", "t1"."a", "t1"."g$lat", "t1"."g$lng", "t1"."poly", "t1"."y", "t1"."f", "t1"."p", "t1"."q", "t1"."_acl"
FROM "Thing" AS "t1"
WHERE (FALSE OR "t1"."n" IN (:b0, :b1, :b2, :b3))
ORDER BY "t1"."_rid" ASC
-- bound: int, bool, NoneType, NoneType
-- sqlite: SEARCH t1 USING INDEX Thing.nd (n=?)
-- sqlite: USE TEMP B-TREE FOR ORDER BY
