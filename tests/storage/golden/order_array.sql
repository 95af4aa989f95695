SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."t", "t1"."n", "t1"."b", "t1"."d", "t1"."o", "t1"."a", "t1"."g$lat", "t1"."g$lng", "t1"."poly", "t1"."y", "t1"."f", "t1"."p", "t1"."q", "t1"."_acl"
FROM "Thing" AS "t1"
WHERE "t1"."_rid" IN (SELECT "t2"."_rid"
FROM "Thing" AS "t2"
ORDER BY PK_ORDER(:b0, "t2"."a") DESC, "t2"."_rid" DESC
LIMIT 100)
ORDER BY PK_ORDER(:b1, "t1"."a") DESC, "t1"."_rid" DESC
-- bound: pyobject, pyobject
-- sqlite: SEARCH t1 USING INTEGER PRIMARY KEY (rowid=?)
-- sqlite: LIST SUBQUERY 1
-- sqlite: SCAN t2
-- sqlite: USE TEMP B-TREE FOR ORDER BY
-- sqlite: USE TEMP B-TREE FOR ORDER BY
-- in Python: order by a runs in Python
-- in Python: order by a runs in Python
