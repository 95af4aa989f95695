"""Law L6 over live events: nobody hears of an object, a field or an original that the policy keeps from them.

A world as in ``test_law_l6``, with subscriptions of random principals to random queries. Then it changes: objects are
made, changed, given other ACLs and deleted; users and roles are put into roles and taken out; classes get other
permissions, several changes at once as well. After each commit every event that arrived is held to ``acl_oracle``,
asked about the world before and after: what shows an object has to be allowed after the change, what says goodbye to
one that may no longer be seen shows what was allowed before, and an original is shown to whom it was shown.

That nothing is missing either is law L5's affair.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import attrs
import pytest

from parsekit import ParseError, PFQuery, Pointer, Principal
from parsekit.operations import AddRelation, Delete, OperationSet, RemoveRelation, Set
from parsekit.query.state import QueryState
from tests.acl.acl_oracle import may, shows
from tests.l6_world import (
    CLASSES,
    ROLE_NAMES,
    USER_IDS,
    OracleRole,
    World,
    class_fields,
    make_world,
    plain,
    random_acl,
    random_fields,
    random_permissions,
)
from tests.test_law_l6 import random_query

WORLDS = 12
STEPS = 14
SUBSCRIPTIONS = 16
MORE = int(os.environ.get("PARSEKIT_EXAMPLES", "1"))
MANY = 100 * MORE
MASTER = Principal.master()
NEWS = ("create", "enter", "update")
Objects = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Moment:
    """All that the policy may depend on, at one time."""

    permissions: dict[str, Any]
    roles: list[OracleRole]
    objects: Objects

    def shown(self, class_name: str, object_id: str, user_id: str | None) -> dict[str, Any] | None:
        """What a user may see of an object, ``None`` for nothing."""
        fields = self.objects[class_name].get(object_id)
        stated = self.permissions[class_name]
        if fields is None or not may(stated, "find", user_id, self.roles, fields):
            return None
        return {
            key: value
            for key, value in fields.items()
            if shows(class_name, stated, {}, user_id, self.roles, fields=fields, field=key)
        }


class Life:
    """A world under way, and who listens to it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed * 104_729 + 5)
        self.world: World = make_world(seed)
        self.listening: list[tuple[str | None, QueryState, Any]] = []
        self.heard: Counter[str] = Counter()
        self._made = 0

    def moment(self) -> Moment:
        engine, objects = self.world.engine, {}
        for class_name in CLASSES:
            found = engine.find_objects(QueryState(class_name, limit=-1), MASTER)
            objects[class_name] = {str(obj.object_id): plain(obj) for obj in found}
        return Moment(dict(self.world.permissions), list(self.world.roles), objects)

    def listen(self) -> None:
        """Subscribe a random principal to a random query, if that is allowed."""
        rng, engine = self.rng, self.world.engine
        user_id = rng.choice((None, *USER_IDS))
        state = attrs.evolve(random_query(rng), include=())
        if state.class_name not in CLASSES:
            return
        principal = Principal.anonymous() if user_id is None else Principal.user(user_id)
        with engine.acting_as(principal):
            try:
                subscription = PFQuery.from_state(state).subscribe(capacity=10_000)
            except ParseError as error:
                check_error(error)
            else:
                self.listening.append((user_id, state, subscription))

    # -- what happens ----------------------------------------------------------------------------

    def step(self) -> None:
        """One to three changes in one transaction, no object twice."""
        rng = self.rng
        permitted = rng.random() < 0.15
        with self.world.engine.transaction():
            if permitted:
                self._permit(rng.choice(CLASSES))
            places = [(name, f"{name}{n}") for name in CLASSES for n in range(6)]
            for class_name, identity in rng.sample(places, rng.choice((1, 1, 2, 3))):
                self._change(class_name, identity)
            if rng.random() < 0.3:
                self._regroup()

    def _change(self, class_name: str, identity: str) -> None:
        rng, direct = self.rng, self.world.engine.direct
        there = self.world.engine.find_objects(
            attrs.evolve(PFQuery(class_name).where_key("objectId", equal_to=identity).state(), limit=1),
            MASTER,
        )
        operations = OperationSet()
        if not there:
            for key, value in random_fields(rng).items():
                operations.perform(key, Set(value))
            operations.perform("ACL", Set(random_acl(rng) or {"*": {"read": True}}))
            direct.create(class_name, operations, MASTER, object_id=identity)
        elif rng.random() < 0.15:
            direct.delete(class_name, identity, MASTER)
        else:
            fields = random_fields(rng)
            for key in rng.sample(sorted(fields), min(len(fields), rng.randint(0, 3))):
                operations.perform(key, Set(fields[key]))
            if rng.random() < 0.2:
                operations.perform(rng.choice(("owner", "s", "team")), Delete())
            if rng.random() < 0.5:
                operations.perform("ACL", Set(random_acl(rng) or {"*": {"read": True}}))
            direct.update(class_name, identity, operations, MASTER)

    def _regroup(self) -> None:
        """Somebody, or a role, comes into a role or goes from it."""
        rng, roles = self.rng, self.world.roles
        place = rng.randrange(len(roles))
        role = roles[place]
        key, ids = rng.choice((("users", USER_IDS), ("roles", tuple(f"r{name}" for name in ROLE_NAMES))))
        member = rng.choice(ids)
        held = role.user_ids if key == "users" else role.role_ids
        pointer = Pointer("_User" if key == "users" else "_Role", member)
        operations = OperationSet()
        operations.perform(key, (RemoveRelation if member in held else AddRelation)((pointer,)))
        self.world.engine.direct.update("_Role", role.object_id, operations, MASTER)
        after = held ^ {member}
        users, children = (after, role.role_ids) if key == "users" else (role.user_ids, after)
        roles[place] = OracleRole(role.object_id, role.name, frozenset(users), frozenset(children))

    def _permit(self, class_name: str) -> None:
        """The class gets other permissions."""
        stated = random_permissions(self.rng, tuple(class_fields())) or {"find": {"*": True}}
        self.world.engine.schema_edits.alter(class_name, {}, stated, None)
        self.world.permissions[class_name] = stated

    # -- what is heard ---------------------------------------------------------------------------

    def check(self, before: Moment, after: Moment) -> int:
        """Hold every event that arrived to the policy; how many those were."""
        probes = 0
        for user_id, state, subscription in self.listening:
            try:
                events = subscription.pending()
            except ParseError as error:
                check_error(error)
                continue
            for event in events:
                try:
                    check_event(event, user_id, before, after)
                except AssertionError as error:
                    error.add_note(f"{event.kind} {event.object_id} heard by {user_id}\n{state}")
                    error.add_note(
                        f"{before.permissions}\n{before.roles}\n{after.permissions}\n{after.roles}"
                    )
                    raise
                self.heard[event.kind] += 1
            probes += 1 + len(events)
        self.listening = [item for item in self.listening if not item[2].is_closed]
        return probes


def check_error(error: ParseError) -> None:
    assert error.code in (101, 119), error
    assert "secret" not in f"{error!s}{error!r}{error.hint}"


def check_event(event: Any, user_id: str | None, before: Moment, after: Moment) -> None:
    """The object, its fields and the original are such as the policy let the user see."""
    then = before.shown(event.class_name, event.object_id, user_id)
    now = after.shown(event.class_name, event.object_id, user_id)
    assert now is not None or (event.kind not in NEWS and then is not None), "an object that is hidden"
    told = now if now is not None else then
    assert told is not None
    hold(event.object, told)
    if event.original is not None:
        assert then is not None, "an original that was hidden"
        hold(event.original, then)
    assert "secret" not in repr(event)


def hold(obj: Any, allowed: dict[str, Any]) -> None:
    """Every field that the object has is among those allowed, with their values."""
    got = {key: value for key, value in plain(obj).items() if key != "rel"}
    assert {key: allowed[key] for key in got if key in allowed} == got


def live(seed: int, steps: int) -> tuple[int, Counter[str]]:
    """Let a world live; how many probes that were, and what was heard."""
    life = Life(seed)
    probes = 0
    try:
        before = life.moment()
        for _ in range(steps):
            while len(life.listening) < SUBSCRIPTIONS and life.rng.random() < 0.95:
                life.listen()
            life.step()
            after = life.moment()
            try:
                probes += life.check(before, after)
            except BaseException as error:
                error.add_note(f"world {seed}")
                raise
            before = after
    finally:
        life.world.engine.close()
    return probes, life.heard


def test_nobody_hears_what_the_policy_keeps_from_them() -> None:
    heard: Counter[str] = Counter()
    probes = 0
    for seed in range(WORLDS):
        told, kinds = live(seed, STEPS)
        probes += told
        heard += kinds
    assert probes > 2_000
    assert all(heard[kind] > 20 for kind in ("create", "enter", "update", "leave", "delete")), heard


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_lives_leak_nothing() -> None:
    """A hundred worlds, times PARSEKIT_EXAMPLES, of some hundred probes each."""
    for seed in range(10_000, 10_000 + MANY):
        live(seed, 30)
