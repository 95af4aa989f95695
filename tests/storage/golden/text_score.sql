SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."t", "t1"."n", "t1"."b", "t1"."d", "t1"."o", "t1"."a", "t1"."g$lat", "t1"."g$lng", "t1"."poly", "t1"."y", "t1"."f", "t1"."p", "t1"."q", "t1"."_acl"
FROM "Thing" AS "t1"
WHERE "t1"."_rid" IN (SELECT "t2"."rowid"
FROM "Thing.words.fts" AS "t2"
WHERE "t2"."Thing.words.fts" = :b1) AND PK_TEST(:b0, "t1"."t")
ORDER BY PK_ORDER(:b2, "t1"."t") DESC, "t1"."_rid" ASC
LIMIT 100
-- bound: str, pyobject, pyobject
-- sqlite: SEARCH t1 USING INTEGER PRIMARY KEY (rowid=?)
-- sqlite: LIST SUBQUERY 1
-- sqlite: SCAN t2 VIRTUAL TABLE INDEX 0:M1
-- sqlite: USE TEMP B-TREE FOR ORDER BY
-- in Python: t $text
-- in Python: the $score of t runs in Python
