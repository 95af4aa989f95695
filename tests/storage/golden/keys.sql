SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."n", "t1"."_acl"
FROM "Thing" AS "t1"
LIMIT 100
-- bound: 
-- sqlite: SCAN t1
