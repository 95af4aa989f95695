"""Laws L1, L2 and L8: SQL gives exactly the objects that the matcher lets pass, in its order, cached or not."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import Dialect, ParseError, Principal
from parsekit.operations import AddRelation, OperationSet, Set
from parsekit.query.ast import And, Constraint, Near, Nor
from parsekit.query.evaluate import count_objects, find_objects
from parsekit.query.state import QueryState
from parsekit.schema import ClassSchema, Field, Schema
from parsekit.values import PFGeoPoint, Pointer, RelationReference
from tests.strategies_queries import (
    MAKERS,
    SCHEMA,
    fitting_queries,
    geo_constraints,
    makers,
    points,
    queries,
    sub_constraints,
    things,
    trees,
)

MASTER = Principal.master()
IDS = [f"x{number}" for number in range(8)]
World = tuple[list[dict[str, Any]], list[dict[str, Any]], list[list[str]]]

worlds: st.SearchStrategy[World] = st.tuples(
    st.lists(things(), min_size=1, max_size=len(IDS)),
    st.lists(makers, min_size=len(MAKERS), max_size=len(MAKERS)),
    st.lists(
        st.lists(st.sampled_from(MAKERS), unique=True, max_size=3), min_size=len(IDS), max_size=len(IDS)
    ),
)
worlds_without_nulls: st.SearchStrategy[World] = st.tuples(
    st.lists(things(nullable=()), min_size=1, max_size=len(IDS)),
    st.lists(makers, min_size=len(MAKERS), max_size=len(MAKERS)),
    st.just([[] for _ in IDS]),
)


class RolledBack(Exception):
    """Ends an example without leaving its objects behind."""


def _without_indexes(schema: Schema) -> Schema:
    """The same fields with nothing to help: no index, and a pointer that may lead to any class."""
    thing = schema.classes["Thing"]
    fields = {**thing.own_fields, "p": Field("Pointer")}
    return schema.with_class(ClassSchema.new("Thing", fields))


WORLDS = {
    "indexed": (SCHEMA, True),
    "indexed, no plan cache": (SCHEMA, False),
    "bare": (_without_indexes(SCHEMA), True),
}
MORE = int(os.environ.get("PARSEKIT_EXAMPLES", "1"))
"""How many times the usual number of examples to try."""


@pytest.fixture(scope="module", params=WORLDS)
def engine(request: pytest.FixtureRequest) -> Iterator[parsekit.ParseEngine]:
    schema, plan_cache = WORLDS[request.param]
    with parsekit.open(":memory:", schema=schema, plan_cache=plan_cache, journal=False) as opened:
        yield opened


@contextmanager
def loaded(
    engine: parsekit.ParseEngine, world: World
) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """The objects of ``world`` in the engine, and the same as plain fields for the matcher."""
    thing_fields, maker_fields, members = world
    rows: dict[str, list[dict[str, Any]]] = {"Thing": [], "Maker": []}
    try:
        with engine.transaction():
            for class_name, ids, all_fields in (
                ("Maker", MAKERS, maker_fields),
                ("Thing", IDS, thing_fields),
            ):
                for number, (identity, fields) in enumerate(zip(ids, all_fields, strict=False)):
                    rows[class_name].append(_put(engine, class_name, identity, fields, members[number]))
            yield rows["Thing"], {"Maker": rows["Maker"], "members": dict(zip(IDS, members, strict=False))}
            raise RolledBack
    except RolledBack:
        pass


def _put(
    engine: parsekit.ParseEngine,
    class_name: str,
    identity: str,
    fields: dict[str, Any],
    members: Sequence[str],
) -> dict[str, Any]:
    operations = OperationSet()
    for key, value in fields.items():
        operations.perform(key, Set(value))
    if class_name == "Thing" and members:
        operations.perform("r", AddRelation(tuple(Pointer("Maker", member) for member in members)))
    moment = datetime(2024, 1, 1 + len(fields), tzinfo=UTC)
    with engine.store.write() as connection:
        engine.writes.create(
            connection,
            class_name,
            operations,
            engine.view(MASTER),
            object_id=identity,
            created_at=moment,
            updated_at=moment,
        )
    relations = {"r": RelationReference("Maker")} if class_name == "Thing" else {}
    system = {"objectId": identity, "createdAt": moment, "updatedAt": moment, "className": class_name}
    return {**fields, **relations, **system}


@attrs.frozen
class PlainLookup:
    """What sub-queries and relations lead to, over plain fields."""

    world: Mapping[str, Any]

    rules: Dialect = Dialect.SERVER

    def find(self, query: QueryState) -> Sequence[Mapping[str, Any]]:
        query = attrs.evolve(query, dialect=self.rules)
        if not self.rules.subquery_pages:
            query = attrs.evolve(query, order=(), limit=10_000, skip=0)
        return find_objects(self.world[query.class_name], query, self)

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        return self.world["members"].get(owner.object_id, []) if key == "r" else []

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        return [owner for owner, held in self.world["members"].items() if set(held) & set(members)]

    def is_relation(self, key: str) -> bool:
        return key == "r"

    def readable(self, acl: Mapping[str, Any] | None) -> bool:
        return True

    def writable(self, acl: Mapping[str, Any] | None) -> bool:
        return True

    def now(self) -> datetime:
        return datetime(2024, 1, 2, tzinfo=UTC)


def sql_ids(engine: parsekit.ParseEngine, query: QueryState) -> list[str]:
    return [obj.object_id for obj in engine.find_objects(query, MASTER)]


def agree(
    engine: parsekit.ParseEngine, world: World, query: QueryState, rules: Dialect = Dialect.SERVER
) -> None:
    query = attrs.evolve(query, dialect=rules)
    with loaded(engine, world) as (rows, others):
        lookup = PlainLookup(others, rules)
        try:
            expected = [row["objectId"] for row in find_objects(rows, query, lookup)]
        except ParseError as error:
            with pytest.raises(ParseError) as caught:
                sql_ids(engine, query)
            assert caught.value.code == error.code
            return
        try:
            got, counted = sql_ids(engine, query), engine.count_objects(query, MASTER)
        except ParseError as error:  # the server refuses by the field's type what the matcher can answer
            assert error.code == 107
            assert rules is Dialect.SERVER
            return
        ordered = bool(query.order) or not rules.ties_follow_order
        if ordered or query.limit is None or query.limit > len(rows):
            assert (got if ordered else sorted(got)) == (expected if ordered else sorted(expected))
        assert counted == count_objects(rows, query, lookup)


SLOW_START = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@given(world=worlds, query=queries)
@settings(SLOW_START, max_examples=700 * MORE, deadline=None)
def test_l1_l2_any_query(engine: parsekit.ParseEngine, world: World, query: QueryState) -> None:
    agree(engine, world, query)


@given(world=worlds, query=queries)
@settings(SLOW_START, max_examples=300 * MORE, deadline=None)
def test_l1_l2_any_query_under_ios(engine: parsekit.ParseEngine, world: World, query: QueryState) -> None:
    agree(engine, world, query, Dialect.IOS_LOCAL)


@given(world=st.one_of(worlds, worlds_without_nulls), query=fitting_queries)
@settings(SLOW_START, max_examples=500 * MORE, deadline=None)
def test_l1_l2_queries_in_sql_under_ios(
    engine: parsekit.ParseEngine, world: World, query: QueryState
) -> None:
    agree(engine, world, query, Dialect.IOS_LOCAL)


@given(world=worlds, where=sub_constraints(), other=trees, negate=st.booleans())
@settings(SLOW_START, max_examples=200 * MORE, deadline=None)
def test_l1_sub_queries_and_relations_under_ios(
    engine: parsekit.ParseEngine, world: World, where: Constraint, other: Any, negate: bool
) -> None:
    agree(engine, world, QueryState("Thing", where if negate else And((other, where))), Dialect.IOS_LOCAL)


@given(world=worlds, where=sub_constraints(), other=trees, negate=st.booleans())
@settings(SLOW_START, max_examples=300 * MORE, deadline=None)
def test_l1_sub_queries_and_relations(
    engine: parsekit.ParseEngine, world: World, where: Constraint, other: Any, negate: bool
) -> None:
    agree(engine, world, QueryState("Thing", Nor((where,)) if negate else And((other, where)), limit=100))
    agree(engine, world, QueryState("Thing", where, limit=100))


@given(world=worlds, where=geo_constraints(), center=points, radians=st.sampled_from([None, 0.0, 0.2, 2.0]))
@settings(SLOW_START, max_examples=250 * MORE, deadline=None)
def test_l1_geometry_text_and_distance_order(
    engine: parsekit.ParseEngine, world: World, where: Constraint, center: PFGeoPoint, radians: float | None
) -> None:
    agree(engine, world, QueryState("Thing", where, limit=100))
    near = Constraint("g", "$nearSphere", Near(center, radians))
    with loaded(engine, world) as (rows, others):
        query = QueryState("Thing", near, limit=100)
        assert sql_ids(engine, query) == [
            row["objectId"] for row in find_objects(rows, query, PlainLookup(others))
        ]
