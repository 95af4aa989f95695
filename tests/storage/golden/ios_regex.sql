SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."t", "t1"."n", "t1"."b", "t1"."d", "t1"."o", "t1"."a", "t1"."g$lat", "t1"."g$lng", "t1"."poly", "t1"."y", "t1"."f", "t1"."p", "t1"."q", "t1"."_acl"
FROM "Thing" AS "t1"
WHERE "t1"."s" >= :b0 AND "t1"."s" < :b1 AND PK_TEST(:b2, "t1"."s")
ORDER BY "t1"."_rid" ASC
-- bound: str, str, pyobject
-- sqlite: SEARCH t1 USING INDEX Thing.sn (s>? AND s<?)
-- sqlite: USE TEMP B-TREE FOR ORDER BY
-- in Python: s $regex
