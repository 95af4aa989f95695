SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."stars", "t1"."_acl", "t1"."_nulls"
FROM "Note" AS "t1"
WHERE NOT "t1"."stars" IS NULL
ORDER BY "t1"."_rid" ASC
-- bound: 
-- sqlite: SCAN t1
