SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."t", "t1"."n", "t1"."b", "t1"."d", "t1"."o", "t1"."a", "t1"."g$lat", "t1"."g$lng", "t1"."poly", "t1"."y", "t1"."f", "t1"."p", "t1"."q", "t1"."_acl"
FROM "Thing" AS "t1"
WHERE CASE WHEN (JSON_TYPE("t1"."o", '$."k"') = 'array' OR JSON_TYPE("t1"."o", '$."k"') = 'object') THEN '\x01nested' ELSE JSON_EXTRACT("t1"."o", '$."k"') END IN (:b1, '\x01nested') AND PK_TEST(:b0, "t1"."o")
ORDER BY "t1"."_rid" ASC
-- bound: str, pyobject
-- sqlite: SEARCH t1 USING INDEX Thing.ok (<expr>=?)
-- sqlite: USE TEMP B-TREE FOR ORDER BY
-- in Python: o.k $eq
