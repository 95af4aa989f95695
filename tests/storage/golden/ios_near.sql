SELECT "t1"."objectId", "t1"."createdAt", "t1"."updatedAt", "t1"."s", "t1"."t", "t1"."n", "t1"."b", "t1"."d", "t1"."o", "t1"."a", "t1"."g$lat", "t1"."g$lng", "t1"."poly", "t1"."y", "t1"."f", "t1"."p", "t1"."q", "t1"."_acl"
FROM "Thing" AS "t1"
WHERE "t1"."_rid" IN (SELECT "t2"."id"
FROM "Thing.g.rtree" AS "t2"
WHERE "t2"."north" >= :b1 AND "t2"."south" <= :b2 AND "t2"."east" >= :b3 AND "t2"."west" <= :b4) AND PK_TEST(:b0, "t1"."g$lat", "t1"."g$lng")
ORDER BY PK_DISTANCE("t1"."g$lat", "t1"."g$lng", :b5, :b6) ASC, "t1"."n" ASC NULLS LAST, "t1"."_rid" ASC
-- bound: float, float, float, float, pyobject, int, int
-- sqlite: SEARCH t1 USING INTEGER PRIMARY KEY (rowid=?)
-- sqlite: LIST SUBQUERY 1
-- sqlite: SCAN t2 VIRTUAL TABLE INDEX 2:D1B0D3B2
-- sqlite: USE TEMP B-TREE FOR ORDER BY
-- in Python: g $nearSphere
