SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."t", "t1"."n", "t1"."b", "t1"."d", "t1"."o", "t1"."a", "t1"."g$lat", "t1"."g$lng", "t1"."poly", "t1"."y", "t1"."f", "t1"."p", "t1"."q", "t1"."_acl"
FROM "Thing" AS "t1"
WHERE "t1"."_rid" IN (SELECT "t2"."_rid"
FROM "Thing" AS "t2"
WHERE "t2"."s" = :b1
ORDER BY PK_ORDER(:b2, "t2"."t") ASC NULLS LAST, "t2"."n" DESC NULLS FIRST, "t2"."_rid" ASC
LIMIT 5
OFFSET :b0)
ORDER BY PK_ORDER(:b3, "t1"."t") ASC NULLS LAST, "t1"."n" DESC NULLS FIRST, "t1"."_rid" ASC
-- bound: str, pyobject, int, pyobject
-- sqlite: SEARCH t1 USING INTEGER PRIMARY KEY (rowid=?)
-- sqlite: LIST SUBQUERY 1
-- sqlite: SEARCH t2 USING INDEX Thing.sn (s=?)
-- sqlite: USE TEMP B-TREE FOR ORDER BY
-- sqlite: USE TEMP B-TREE FOR ORDER BY
-- in Python: order by t runs in Python
-- in Python: order by t runs in Python
