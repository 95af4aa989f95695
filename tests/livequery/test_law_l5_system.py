"""Law L5 where objects belong to users, and over the classes of users, roles and sessions.

What decides who sees an object is a field of it (pointer permissions), the class (``_Session``: one's own), or a field
that only its owner is shown; what changes are single elements and counts, and members of roles.
"""

from __future__ import annotations

import os
from typing import Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import parsekit
from parsekit import ParseError, Pointer, Principal
from parsekit._context import Binding
from parsekit.operations import Add, AddUnique, Delete, Increment, OperationSet, Remove, Set
from parsekit.query.ast import ALWAYS, Constraint, Or
from parsekit.query.state import QueryState
from tests.livequery.test_law_l5 import Follower, _exists, _found, _operations, _relation, _save

MORE = int(os.environ.get("PARSEKIT_EXAMPLES", "1"))
MASTER = Principal.master()
USERS = ["u0", "u1"]
IDS = ["d0", "d1", "d2"]
PRINCIPALS = [MASTER, Principal.anonymous(), *map(Principal.user, USERS)]
OPEN: dict[str, Any] = {"find": {"*": True}, "get": {"*": True}}
PERMISSIONS: list[dict[str, Any]] = [
    OPEN,
    {"readUserFields": ["owner"]},
    {"readUserFields": ["owners"], "find": {"role:staff": True}, "get": {"role:staff": True}},
    {"find": {"pointerFields": ["owner", "owners"]}, "get": {"pointerFields": ["owner"]}},
    {**OPEN, "protectedFields": {"*": ["secret"], "userField:owner": [], "role:staff": ["n"]}},
]
users = st.sampled_from([Pointer("_User", user) for user in [*USERS, "nobody"]])
acls = st.sampled_from([{"*": {"read": True}}, {"u0": {"read": True}}, {"role:staff": {"read": True}}, {}])
operations = st.one_of(
    st.tuples(st.just("n"), st.builds(Increment, st.sampled_from([1, -2, 0.5]))),
    st.tuples(st.just("tags"), st.builds(lambda tag: Add((tag,)), st.sampled_from("ab"))),
    st.tuples(st.just("tags"), st.builds(lambda tag: AddUnique((tag,)), st.sampled_from("ab"))),
    st.tuples(st.just("tags"), st.builds(lambda tag: Remove((tag,)), st.sampled_from("ab"))),
    st.tuples(st.just("owner"), st.one_of(st.builds(Set, users), st.just(Delete()))),
    st.tuples(st.just("owners"), st.builds(lambda user: AddUnique((user,)), users)),
    st.tuples(st.just("owners"), st.builds(lambda user: Remove((user,)), users)),
    st.tuples(st.just("secret"), st.builds(Set, st.integers(0, 2))),
    st.tuples(st.just("ACL"), st.builds(Set, acls)),
)
steps = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(IDS), operations),
    st.tuples(st.just("change"), st.sampled_from(IDS), operations),
    st.tuples(st.just("delete"), st.sampled_from(IDS)),
    st.tuples(st.just("user"), st.sampled_from(USERS), st.sampled_from("xyz"), st.none() | acls),
    st.tuples(st.just("role"), st.booleans(), st.sampled_from(USERS)),
    st.tuples(st.just("role acl"), acls),
    st.tuples(st.just("session"), st.sampled_from(["s0", "s1"]), st.sampled_from(USERS)),
    st.tuples(st.just("permissions"), st.sampled_from(PERMISSIONS)),
)
wheres = st.sampled_from([
    ALWAYS,
    Constraint("n", "$gt", 0), Constraint("n", "$lte", 0), Constraint("n", "$exists", False),
    Constraint("tags", "$eq", "a"), Constraint("tags", "$all", ("a", "b")), Constraint("tags", "$containedBy", ("a",)),
    Constraint("owner", "$eq", Pointer("_User", "u0")), Constraint("owners", "$eq", Pointer("_User", "u1")),
    Constraint("owner", "$exists", True), Constraint("owner", "$ne", Pointer("_User", "u1")),
    Or((Constraint("n", "$eq", 1), Constraint("n", "$in", (1, 2)), Constraint("tags", "$in", ("b",)))),
    Constraint("owner", "$inQuery", QueryState("_User", Constraint("nick", "$eq", "x"))),
    Constraint("owner", "$notInQuery", QueryState("_User", Constraint("nick", "$eq", "y"))),
])  # fmt: skip
asked = st.tuples(
    st.one_of(
        st.builds(QueryState, st.just("Doc"), wheres),
        st.builds(
            QueryState,
            st.just("_User"),
            st.sampled_from([ALWAYS, Constraint("nick", "$eq", "x"), Constraint("objectId", "$eq", "u0")]),
        ),
        st.sampled_from([QueryState("_Role"), QueryState("_Session")]),
    ),
    st.sampled_from(PRINCIPALS),
)


def _play(engine: parsekit.ParseEngine, step: tuple[Any, ...]) -> None:
    match step:
        case ("change", identity, (key, operation)):
            changes = OperationSet()
            changes.perform(key, operation)
            _save(engine, "Doc", identity, changes)
        case ("delete", identity):
            if _exists(engine, "Doc", identity):
                engine.direct.delete("Doc", identity, MASTER)
        case ("user", identity, nick, acl):
            _save(engine, "_User", identity, _operations({"nick": nick, **({"ACL": acl} if acl else {})}))
        case ("role", adding, user):
            engine.direct.update("_Role", "staff", _relation("users", Pointer("_User", user), adding), MASTER)
        case ("role acl", acl):
            engine.direct.update("_Role", "staff", _operations({"ACL": acl}), MASTER)
        case ("session", identity, user):
            if _exists(engine, "_Session", identity):
                engine.direct.delete("_Session", identity, MASTER)
            else:
                fields = {"user": Pointer("_User", user), "sessionToken": f"r:{identity}"}
                engine.direct.create(
                    "_Session", _operations(fields), Principal.maintenance(), object_id=identity
                )
        case ("permissions", permissions):
            with engine.store.write() as connection:
                changed = attrs.evolve(engine.schema.classes["Doc"], permissions=permissions)
                engine.store.put_class(connection, changed)


def _prepared(engine: parsekit.ParseEngine) -> None:
    for user in USERS:
        fields = {"username": user, "nick": "x", "email": f"{user}@example.com", "ACL": {"*": {"read": True}}}
        engine.direct.create("_User", _operations(fields), Principal.maintenance(), object_id=user)
    role = _operations({"name": "staff", "ACL": {"*": {"read": True}}})
    engine.direct.create("_Role", role, MASTER, object_id="staff")
    doc = {"n": 0, "tags": ["a"], "owner": Pointer("_User", "u0"), "owners": [], "secret": 1}
    engine.direct.create("Doc", _operations(doc), MASTER, object_id="d0")
    engine.direct.create("Clock", OperationSet(), MASTER, object_id="clock")


@settings(
    max_examples=40 * MORE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    queries=st.lists(asked, min_size=1, max_size=6),
    history=st.lists(st.lists(steps, min_size=1, max_size=4), min_size=1, max_size=6),
)
def test_events_add_up_to_the_query(queries: list[tuple[Any, Principal]], history: list[Any]) -> None:
    with parsekit.open(":memory:") as engine:
        _prepared(engine)
        followers = []
        for state, principal in queries:
            try:
                subscription = engine.live.subscribe(state, Binding(engine, principal))
            except ParseError:
                continue
            followers.append(Follower(subscription, _found(engine, state, principal)))
        for plays in history:
            with engine.transaction():
                for step in plays:
                    _play(engine, step)
                engine.direct.update("Clock", "clock", OperationSet(), MASTER)
            for follower in followers:
                subscription = follower.subscription
                if subscription.is_closed:
                    continue
                of_class = QueryState(subscription.state.class_name)
                follower.take(
                    set(_found(engine, of_class, subscription.principal)),
                    set(_found(engine, of_class, MASTER)),
                )
                assert follower.known == _found(engine, subscription.state, subscription.principal)
