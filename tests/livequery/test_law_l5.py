"""Law L5: what a subscription's events add up to after event n is its query run at journal position n.

Random subscriptions of several principals follow random histories: transactions (also rolled back), ACL changes, roles
given and taken, relations, objects that sub-queries find, permissions of the class that change. After each commit every
subscription's events are added up and compared with the find, field by field. Observed lists and totals likewise.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import ParseError, PFObject, Pointer, Principal
from parsekit._context import Binding
from parsekit.engine.live_reading import fields_of
from parsekit.livequery.observed import GroupTotal, ObservedGroups, ObservedList
from parsekit.livequery.subscription import Subscription
from parsekit.operations import AddRelation, Delete, OperationSet, RemoveRelation, Set
from parsekit.query.state import QueryState
from tests.strategies_queries import (
    FIELD_VALUES,
    MAKERS,
    SCHEMA,
    makers,
    orders,
    sub_constraints,
    things,
    trees,
)

MORE = int(os.environ.get("PARSEKIT_EXAMPLES", "1"))
MASTER = Principal.master()
IDS = ["x0", "x1", "x2", "x3"]
USERS = ["u0", "u1"]
PRINCIPALS = [MASTER, Principal.anonymous(), *map(Principal.user, USERS)]
ALL = 10_000

acls = st.sampled_from(
    [
        None,
        {},
        {"*": {"read": True}},
        {"u0": {"read": True}},
        {"role:staff": {"read": True}},
        {"role:staff": {"read": True}, "u1": {"read": True, "write": True}},
    ]
)
PERMISSIONS: list[dict[str, Any]] = [
    {"find": {"*": True}, "get": {"*": True}},
    {"find": {"requiresAuthentication": True}, "get": {"*": True}},
    {"find": {"role:staff": True}, "get": {"*": True}},
    {"find": {"*": True}, "get": {"*": True}, "protectedFields": {"*": ["n"], "role:staff": []}},
]
identities = st.sampled_from(IDS)
steps = st.one_of(
    st.tuples(st.just("put"), identities, things(), acls),
    st.tuples(st.just("put"), identities, things(), acls),
    st.sampled_from(list(FIELD_VALUES)).flatmap(
        lambda key: st.tuples(st.just("set"), identities, st.just(key), FIELD_VALUES[key])
    ),
    st.tuples(st.just("unset"), identities, st.sampled_from(list(FIELD_VALUES))),
    st.tuples(st.just("acl"), identities, acls),
    st.tuples(st.just("delete"), identities),
    st.tuples(st.just("maker"), st.sampled_from(MAKERS), makers),
    st.tuples(st.just("relate"), identities, st.booleans(), st.sampled_from(MAKERS)),
    st.tuples(st.just("role"), st.booleans(), st.sampled_from(USERS)),
    st.tuples(st.just("permissions"), st.sampled_from(PERMISSIONS)),
)
transactions = st.tuples(st.lists(steps, min_size=1, max_size=4), st.integers(0, 4).map(lambda n: n > 0))
asked = st.tuples(st.one_of(trees, sub_constraints()), st.sampled_from(PRINCIPALS))


class RolledBack(Exception):
    """Ends a transaction without a commit."""


@attrs.define
class Follower:
    """A subscription and what its events add up to."""

    subscription: Subscription[Any]
    known: dict[str, dict[str, Any]]
    sequence: int = 0

    def take(self, visible: set[str], existing: set[str]) -> None:
        for event in self.subscription.pending():
            identity, fields = event.object_id, _shown(event.object)
            assert event.sequence >= self.sequence
            self.sequence = event.sequence
            assert event.resume_from in (event.sequence, event.sequence - 1)
            if event.kind in ("create", "enter"):
                assert identity not in self.known
                self.known[identity] = fields
            elif event.kind == "update":
                assert identity in self.known
                assert event.original is not None
                self.known[identity] = fields
            else:
                gone = self.known.pop(identity)
                # who may no longer see the object hears of nothing newer than what was seen before
                assert fields == gone or identity in visible or identity not in existing


def _shown(obj: PFObject) -> dict[str, Any]:
    """What the object shows; a top-level null equals an absent key (the corpora's README)."""
    return {key: value for key, value in fields_of(obj).items() if value is not None}


def _operations(fields: dict[str, Any]) -> OperationSet:
    operations = OperationSet()
    for key, value in fields.items():
        operations.perform(key, Set(value))
    return operations


def _exists(engine: parsekit.ParseEngine, class_name: str, identity: str) -> bool:
    try:
        engine.reads.get(class_name, identity, MASTER, PFObject, None)
    except ParseError:
        return False
    return True


def _save(engine: parsekit.ParseEngine, class_name: str, identity: str, operations: OperationSet) -> None:
    if _exists(engine, class_name, identity):
        engine.direct.update(class_name, identity, operations, MASTER)
    else:
        engine.direct.create(class_name, operations, MASTER, object_id=identity)


def _relation(key: str, pointer: Pointer, adding: bool) -> OperationSet:
    operations = OperationSet()
    operations.perform(key, AddRelation((pointer,)) if adding else RemoveRelation((pointer,)))
    return operations


def _play(engine: parsekit.ParseEngine, step: tuple[Any, ...]) -> None:
    match step:
        case ("put", identity, fields, acl):
            _save(engine, "Thing", identity, _operations({**fields, **({} if acl is None else {"ACL": acl})}))
        case ("set", identity, key, value):
            _save(engine, "Thing", identity, _operations({key: value}))
        case ("unset", identity, key):
            operations = OperationSet()
            operations.perform(key, Delete())
            _save(engine, "Thing", identity, operations)
        case ("acl", identity, acl):
            _save(
                engine, "Thing", identity, _operations({"ACL": {"*": {"read": True}} if acl is None else acl})
            )
        case ("delete", identity):
            if _exists(engine, "Thing", identity):
                engine.direct.delete("Thing", identity, MASTER)
        case ("maker", identity, fields):
            _save(engine, "Maker", identity, _operations(fields))
        case ("relate", identity, adding, member):
            _save(engine, "Thing", identity, _relation("r", Pointer("Maker", member), adding))
        case ("role", adding, user):
            engine.direct.update("_Role", "staff", _relation("users", Pointer("_User", user), adding), MASTER)
        case ("permissions", permissions):
            with engine.store.write() as connection:
                changed = attrs.evolve(engine.schema.classes["Thing"], permissions=permissions)
                engine.store.put_class(connection, changed)


def _commit(engine: parsekit.ParseEngine, plays: list[tuple[Any, ...]], commits: bool) -> None:
    try:
        with engine.transaction():
            for step in plays:
                _play(engine, step)
            # something is journaled in each, so that a change of permissions is heard of
            _save(engine, "Maker", "clock", OperationSet())
            if not commits:
                raise RolledBack
    except RolledBack:
        pass


def _prepared(engine: parsekit.ParseEngine) -> None:
    for user in USERS:
        engine.direct.create(
            "_User", _operations({"username": user}), Principal.maintenance(), object_id=user
        )
    role = _operations({"name": "staff", "ACL": {"*": {"read": True}}})
    engine.direct.create("_Role", role, MASTER, object_id="staff")


def _found(
    engine: parsekit.ParseEngine, state: QueryState, principal: Principal
) -> dict[str, dict[str, Any]]:
    try:
        found = engine.find_objects(attrs.evolve(state, limit=ALL), principal)
    except ParseError:
        return {}
    return {obj.object_id: _shown(obj) for obj in found}


def _followed(engine: parsekit.ParseEngine, queries: list[tuple[Any, Principal]]) -> list[Follower]:
    followers = []
    for where, principal in queries:
        state = QueryState("Thing", where)
        try:
            subscription = engine.live.subscribe(state, Binding(engine, principal))
        except ParseError:
            continue
        followers.append(Follower(subscription, _found(engine, state, principal)))
    return followers


@settings(
    max_examples=60 * MORE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    queries=st.lists(asked, min_size=1, max_size=5),
    before=st.lists(transactions, max_size=2),
    history=st.lists(transactions, min_size=1, max_size=5),
)
def test_events_add_up_to_the_query(
    queries: list[tuple[Any, Principal]], before: list[Any], history: list[Any]
) -> None:
    with parsekit.open(":memory:", schema=SCHEMA) as engine:
        _prepared(engine)
        for plays, commits in before:
            _commit(engine, plays, commits)
        followers = _followed(engine, queries)
        for plays, commits in history:
            _commit(engine, plays, commits)
            for follower in followers:
                subscription = follower.subscription
                if subscription.is_closed:  # it asks for a field that is hidden now
                    continue
                visible = set(_found(engine, QueryState("Thing"), subscription.principal))
                follower.take(visible, set(_found(engine, QueryState("Thing"), MASTER)))
                assert follower.known == _found(engine, subscription.state, subscription.principal)


@settings(
    max_examples=15 * MORE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    queries=st.lists(asked, min_size=1, max_size=4), history=st.lists(transactions, min_size=1, max_size=5)
)
def test_events_of_another_engines_commits_add_up_too(
    queries: list[tuple[Any, Principal]], history: list[Any]
) -> None:
    """Another engine on the same file is to the first what another process is: all it has is the journal."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/shared.db"
        with parsekit.open(path, schema=SCHEMA) as writing, parsekit.open(path) as reading:
            _prepared(writing)
            followers = _followed(reading, queries)
            for plays, commits in history:
                _commit(writing, plays, commits)
                reading.live.observe(
                    QueryState("Thing"), Binding(reading, MASTER)
                ).close()  # reads what is new
                for follower in followers:
                    subscription = follower.subscription
                    if subscription.is_closed:
                        continue
                    visible = set(_found(reading, QueryState("Thing"), subscription.principal))
                    follower.take(visible, set(_found(reading, QueryState("Thing"), MASTER)))
                    assert follower.known == _found(reading, subscription.state, subscription.principal)


@settings(
    max_examples=40 * MORE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    where=trees,
    principal=st.sampled_from(PRINCIPALS),
    order=orders,
    limit=st.integers(1, 3),
    history=st.lists(transactions, min_size=1, max_size=6),
)
def test_observed_lists_and_totals_are_the_query(
    where: Any, principal: Principal, order: Any, limit: int, history: list[Any]
) -> None:
    with parsekit.open(":memory:", schema=SCHEMA) as engine:
        _prepared(engine)
        binding = Binding(engine, principal)
        state = QueryState("Thing", where, order, limit)
        try:
            observed: ObservedList[Any] = engine.live.observe(state, binding)
            groups: ObservedGroups = engine.live.observe_groups(state, binding, "s", "n")
        except ParseError:
            return
        mirror = list(observed.objects)
        for plays, commits in history:
            _commit(engine, [step for step in plays if step[0] != "permissions"], commits)
            diff = observed.pending()
            mirror = mirror if diff is None else diff.apply(mirror)
            wanted = engine.find_objects(state, principal)
            assert [fields_of(obj) for obj in mirror] == [fields_of(obj) for obj in wanted]
            assert [obj.object_id for obj in observed.objects] == [obj.object_id for obj in wanted]
            assert groups.groups == _totals(_found(engine, QueryState("Thing", where), principal))


def _totals(found: dict[str, dict[str, Any]]) -> dict[Any, GroupTotal]:
    parts: dict[Any, list[Any]] = {}
    for fields in found.values():
        number = fields.get("n")
        parts.setdefault(fields.get("s"), []).append(0 if number is None else number)
    return {group: GroupTotal(len(numbers), _sum(numbers)) for group, numbers in parts.items()}


def _sum(numbers: list[Any]) -> int | float:
    from fractions import Fraction

    total = sum(map(Fraction, numbers))
    return float(total) if any(isinstance(number, float) for number in numbers) else int(total)


@settings(
    max_examples=40 * MORE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    where=st.one_of(trees, sub_constraints()),
    principal=st.sampled_from(PRINCIPALS),
    history=st.lists(transactions, min_size=2, max_size=6),
    data=st.data(),
)
def test_resuming_catches_up_or_says_why_not(
    where: Any, principal: Principal, history: list[Any], data: st.DataObject
) -> None:
    with parsekit.open(":memory:", schema=SCHEMA) as engine:
        _prepared(engine)
        state = QueryState("Thing", where)
        positions: list[tuple[int, dict[str, dict[str, Any]]]] = []
        for plays, commits in history:
            _commit(engine, [step for step in plays if step[0] != "permissions"], commits)
            with engine.store.write() as connection:
                sequence = int(connection.execute("SELECT coalesce(max(seq), 0) FROM _pk_journal").get)
            positions.append((sequence, _found(engine, state, principal)))
        start, known = data.draw(st.sampled_from(positions))
        try:
            subscription = engine.live.subscribe(state, Binding(engine, principal), resume_from=start)
        except ParseError:
            return
        wanted = _found(engine, state, principal)
        if subscription.resume_gap is not None:
            assert subscription.fresh_result is not None
            assert {obj.object_id for obj in subscription.fresh_result} == set(wanted)
            return
        follower = Follower(subscription, dict(known))
        follower.take(set(IDS), set())  # what was to be seen then may be shown, whoever may see it now
        assert follower.known == wanted
