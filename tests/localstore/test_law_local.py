"""Law L1 where a key may hold anything: a local query finds, or refuses, what the matcher does over its objects."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from parsekit import Dialect, PFObject, PFQuery, Pointer
from parsekit.errors import ParseError
from parsekit.localstore import LocalDatastore
from parsekit.query.ast import ALWAYS, Constraint, Node
from parsekit.query.evaluate import count_objects, find_objects
from parsekit.query.state import OrderKey, QueryState
from tests.query.matcher_strategies import objects, trees

DIALECTS = st.sampled_from(
    [Dialect.IOS_LOCAL, Dialect.SERVER, attrs.evolve(Dialect.IOS_LOCAL, roles_grant=True)]
)
ORDERS = st.lists(
    st.builds(OrderKey, st.sampled_from(["x", "y", "objectId"]), st.booleans()),
    max_size=2,
    unique_by=lambda k: k.key,
)


def _outcome(act: Any) -> Any:
    try:
        return act()
    except ParseError as error:
        return error.code


def _check(
    things: list[dict[str, Any]],
    where: Node,
    order: list[OrderKey],
    rules: Dialect,
    skip: int,
    limit: int | None,
) -> None:
    rows = [{**thing, "objectId": f"o{number}", "className": "C"} for number, thing in enumerate(things)]
    asked = QueryState("C", where, order=tuple(order), skip=skip, limit=limit, dialect=rules)
    with LocalDatastore() as datastore:
        kept = []
        for row in rows:
            obj = PFObject.without_data("C", row["objectId"])
            obj._local().complete = True
            obj._local().server.update({key: row[key] for key in ("x", "y") if key in row})
            kept.append(obj)
        datastore.pin_all(kept)
        local = attrs.evolve(asked, from_local=True)
        found = _outcome(lambda: [obj.object_id for obj in PFQuery.from_state(local).find()])
        counted = _outcome(PFQuery.from_state(local).count)
    assert found == _outcome(lambda: [row["objectId"] for row in find_objects(rows, asked)])
    assert counted == _outcome(lambda: count_objects(rows, asked))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(objects, max_size=5),
    st.one_of(st.just(ALWAYS), trees),
    ORDERS,
    DIALECTS,
    st.integers(0, 2),
    st.one_of(st.none(), st.integers(0, 3)),
)
@example([{"x": None}, {"x": "a"}], Constraint("x", "$eq", None), [], Dialect.IOS_LOCAL, 0, None)
@example([{"x": 1}, {"x": True}], Constraint("x", "$gt", 0), [OrderKey("x")], Dialect.IOS_LOCAL, 0, None)
@example(
    [{"x": None}, {"x": Pointer("C", "o0")}], Constraint("x", "$exists", True), [], Dialect.SERVER, 0, None
)
@example([{"x": 1}, {"x": "a"}], ALWAYS, [OrderKey("x", True)], Dialect.SERVER, 0, 1)
def test_a_local_query_answers_as_the_matcher_does(
    things: list[dict[str, Any]],
    where: Node,
    order: list[OrderKey],
    rules: Dialect,
    skip: int,
    limit: int | None,
) -> None:
    _check(things, where, order, rules, skip, limit)
