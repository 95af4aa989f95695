SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."stars", "t1"."_acl", "t1"."_nulls"
FROM "Note" AS "t1"
WHERE (NOT ((INSTR("t1"."_nulls", ',stars,') > 0 OR "t1"."stars" IN (:b0, :b1))) IS TRUE)
ORDER BY "t1"."_rid" ASC
-- bound: NoneType, int
-- sqlite: SCAN t1
