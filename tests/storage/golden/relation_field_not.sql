SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."t", "t1"."n", "t1"."b", "t1"."d", "t1"."o", "t1"."a", "t1"."g$lat", "t1"."g$lng", "t1"."poly", "t1"."y", "t1"."f", "t1"."p", "t1"."q", "t1"."_acl"
FROM "Thing" AS "t1"
WHERE (NOT ("t1"."objectId" IN (SELECT "t2"."owningId"
FROM "_Join:r:Thing" AS "t2"
WHERE "t2"."relatedId" = :b0)) IS TRUE)
LIMIT 100
-- bound: str
-- sqlite: SCAN t1
-- sqlite: LIST SUBQUERY 1
-- sqlite: SEARCH t2 USING COVERING INDEX _Join:r:Thing:related (relatedId=?)
-- sqlite: CREATE BLOOM FILTER
