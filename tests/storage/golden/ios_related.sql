SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."name", "t1"."rank", "t1"."_acl"
FROM "Maker" AS "t1"
WHERE "t1"."objectId" IN (SELECT "t2"."relatedId"
FROM "_Join:r:Thing" AS "t2"
WHERE "t2"."owningId" = :b0)
ORDER BY "t1"."_rid" ASC
-- bound: str
-- sqlite: SEARCH t1 USING INDEX sqlite_autoindex_Maker_1 (objectId=?)
-- sqlite: LIST SUBQUERY 1
-- sqlite: SEARCH t2 USING PRIMARY KEY (owningId=?)
-- sqlite: USE TEMP B-TREE FOR ORDER BY
