SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."n", "t1"."_acl", PK_ORDER(:b0, "t1"."t")
FROM "Thing" AS "t1"
WHERE "t1"."_rid" IN (SELECT "t2"."rowid"
FROM "Thing.words.fts" AS "t2"
WHERE "t2"."Thing.words.fts" = :b2) AND PK_TEST(:b1, "t1"."t")
LIMIT 100
-- bound: pyobject, str, pyobject
-- sqlite: SEARCH t1 USING INTEGER PRIMARY KEY (rowid=?)
-- sqlite: LIST SUBQUERY 1
-- sqlite: SCAN t2 VIRTUAL TABLE INDEX 0:M1
-- in Python: t $text
-- in Python: the $score of t runs in Python
