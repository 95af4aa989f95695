"""Random databases for law L6: classes with permissions and protected fields, users, roles, objects with
ACLs.

Everything is drawn from one ``random.Random``, so that a seed is a world. The strings in objects begin with
``secret-``: no error may quote one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import parsekit
from parsekit import PFACL, Pointer, Principal
from parsekit.auth import AuthOptions, PasswordCost
from parsekit.operations import AddRelation, OperationSet, Set
from parsekit.schema import ClassSchema, Field, Schema

USER_IDS = ("u1", "u2", "u3")
ROLE_NAMES = ("A", "B", "C", "D")
CLASSES = ("Doc", "Note")
NUMBERS = ("a", "b", "c")
READS = ("find", "get", "count")
WRITES = ("update", "delete")
CHEAP = AuthOptions(password_cost=PasswordCost(time_cost=1, memory_kib=64, parallelism=1))

Rng = random.Random


@dataclass
class OracleRole:
    object_id: str
    name: str
    user_ids: frozenset[str]
    role_ids: frozenset[str]


@dataclass
class World:
    """What the oracle knows: permissions by class, roles, and all objects as the master sees them."""

    engine: parsekit.ParseEngine
    permissions: dict[str, Any]
    roles: list[OracleRole]
    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    members: dict[tuple[str, str], list[str]] = field(default_factory=dict)


def _some(rng: Rng, values: tuple[str, ...], most: int) -> list[str]:
    return rng.sample(values, rng.randint(0, min(most, len(values))))


def _entities(rng: Rng) -> dict[str, Any]:
    names = ("*", *USER_IDS, *(f"role:{name}" for name in ROLE_NAMES), "requiresAuthentication")
    entry: dict[str, Any] = dict.fromkeys(_some(rng, names, 3), True)
    if rng.random() < 0.3:
        entry["pointerFields"] = _some(rng, ("owner", "backup", "team"), 2)
    return entry


def _protected(rng: Rng, fields: tuple[str, ...]) -> dict[str, list[str]]:
    groups = (
        "*", "authenticated", *USER_IDS, *(f"role:{name}" for name in ROLE_NAMES),
        "userField:owner", "userField:team",
    )  # fmt: skip
    stated = {group: _some(rng, fields, 4) for group in _some(rng, groups, 4)}
    if rng.random() < 0.4:  # what one object hides and another shows: the hardest case to get right
        stated["*"] = sorted({*_some(rng, fields, 4), fields[-2]})
        stated["userField:owner"] = _some(rng, fields, 2)
    return stated


def random_permissions(rng: Rng, fields: tuple[str, ...]) -> dict[str, Any] | None:
    if rng.random() < 0.15:
        return None
    stated: dict[str, Any] = {}
    for operation in (*READS, *WRITES):
        if rng.random() < 0.85:
            stated[operation] = {"*": True} if rng.random() < 0.45 else _entities(rng)
    for group in ("readUserFields", "writeUserFields"):
        if rng.random() < 0.2:
            stated[group] = _some(rng, ("owner", "backup", "team"), 2)
    if rng.random() < 0.7:
        stated["protectedFields"] = _protected(rng, fields)
    return stated


def random_acl(rng: Rng) -> dict[str, Any] | None:
    if rng.random() < 0.3:
        return None
    names = ("*", *USER_IDS, *(f"role:{name}" for name in ROLE_NAMES))
    rights = ({"read": True}, {"write": True}, {"read": True, "write": True})
    return {name: dict(rng.choice(rights)) for name in _some(rng, names, 3)}


def _pointer(rng: Rng) -> Pointer:
    kind = rng.choice(("_User", "_User", *CLASSES))
    ids = USER_IDS if kind == "_User" else tuple(f"{kind}{n}" for n in range(6))
    return Pointer(kind, rng.choice(ids))


def random_fields(rng: Rng) -> dict[str, Any]:
    values: dict[str, Any] = {key: rng.randint(0, 3) for key in NUMBERS if rng.random() < 0.8}
    if rng.random() < 0.8:
        values["s"] = f"secret-{rng.randint(0, 3)}"
    for key in ("owner", "backup"):
        if rng.random() < 0.6:
            values[key] = Pointer("_User", rng.choice(USER_IDS))
    if rng.random() < 0.5:
        values["team"] = [_pointer(rng) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.6:
        values["link"] = _pointer(rng)
    return values


def class_fields() -> dict[str, Field]:
    numbers = {key: Field("Number") for key in NUMBERS}
    user = Field("Pointer", ("_User",))
    return {
        **numbers,
        "s": Field("String"),
        "owner": user,
        "backup": user,
        "team": Field("Array"),
        "link": Field("Pointer"),
        "rel": Field("Relation", ("Note",)),
    }


def _put(world: World, class_name: str, identity: str, values: dict[str, Any], acl: Any) -> None:
    operations = OperationSet()
    for key, value in values.items():
        operations.perform(key, Set(value))
    if acl is not None:
        operations.perform("ACL", Set(acl))
    members = world.members.get((class_name, identity))
    if members:
        operations.perform("rel", AddRelation(tuple(Pointer("Note", one) for one in members)))
    world.engine.direct.create(class_name, operations, Principal.maintenance(), object_id=identity)


def _put_roles(rng: Rng, world: World) -> None:
    ids = tuple(f"r{name}" for name in ROLE_NAMES)
    for identity, name in zip(ids, ROLE_NAMES, strict=True):
        users, roles = _some(rng, USER_IDS, 2), _some(rng, ids, 2)
        world.roles.append(OracleRole(identity, name, frozenset(users), frozenset(roles)))
        operations = OperationSet()
        operations.perform("name", Set(name))
        operations.perform("ACL", Set(random_acl(rng) or {}))
        if users:
            operations.perform("users", AddRelation(tuple(Pointer("_User", one) for one in users)))
        if roles:
            operations.perform("roles", AddRelation(tuple(Pointer("_Role", one) for one in roles)))
        world.engine.direct.create("_Role", operations, Principal.maintenance(), object_id=identity)


def make_world(seed: int) -> World:
    rng = random.Random(seed)
    fields = class_fields()
    names = tuple(fields)
    permissions = {name: random_permissions(rng, names) for name in CLASSES}
    permissions["_User"] = random_permissions(rng, ("username", "a")) if rng.random() < 0.3 else None
    _drop_pointer_fields(permissions["_User"])
    schema = Schema([
        *(ClassSchema.new(name, fields, permissions=permissions[name]) for name in CLASSES),
        ClassSchema.new("_User", {"a": Field("Number")}, permissions=permissions["_User"]),
    ])  # fmt: skip
    world = World(parsekit.open(":memory:", schema=schema, auth=CHEAP), permissions, [])
    with world.engine.transaction():
        for number, identity in enumerate(USER_IDS):
            user = {
                "username": f"name{number}",
                "email": f"secret-{number}@x.com",
                "a": rng.randint(0, 3),
                "authData": {"anonymous": {"id": f"secret-device-{number}"}},
            }
            _put(world, "_User", identity, user, random_acl(rng))
        _put_roles(rng, world)
        for class_name in CLASSES:
            for number in range(6):
                identity = f"{class_name}{number}"
                if rng.random() < 0.5:
                    world.members[class_name, identity] = [f"Note{n}" for n in rng.sample(range(6), 2)]
                _put(world, class_name, identity, random_fields(rng), random_acl(rng))
    _read_back(world)
    return world


def _drop_pointer_fields(stated: Any) -> None:
    """``_User`` has no pointer fields to base permissions on."""
    if stated is None:
        return
    stated.pop("readUserFields", None)
    stated.pop("writeUserFields", None)
    for entry in stated.values():
        if isinstance(entry, dict):
            entry.pop("pointerFields", None)


def _read_back(world: World) -> None:
    """All objects as the master reads them: what the oracle filters."""
    from parsekit.query.state import QueryState

    for class_name in (*CLASSES, "_User"):
        found = world.engine.find_objects(QueryState(class_name, limit=-1), Principal.master())
        world.objects[class_name] = {str(obj.object_id): plain(obj) for obj in found}


def plain(obj: Any) -> dict[str, Any]:
    """The fields of an object as read, its ACL as JSON."""
    fields = {key: obj.raw(key) for key in obj if key != "ACL"}
    fields["objectId"] = obj.object_id
    acl = obj.acl
    if acl is not None:
        fields["ACL"] = acl.to_json() if isinstance(acl, PFACL) else acl
    return fields
