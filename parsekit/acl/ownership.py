"""Declarative ownership: the ACL that a class gives its objects, and how it follows the fields that it names.

``Ownership(read=("assignedTo", "role:manager"), write=("assignedTo", "role:manager"))`` on a class says:
whoever ``assignedTo`` refers to, and the members of ``manager``, may read and write. A new object whose
creator sends no ACL gets that one. When ``assignedTo`` changes later, the rights that came through it go
from the old user to the new one; what else stands in the object's ACL, such as a right that somebody was
given by hand, stays. ``assignedTo|currentUser`` gives an object that is assigned to nobody to its creator,
who keeps the right when it is assigned to somebody later.

An ACL that is sent is taken as it is, and an object without an ACL stays public. Pure; the write path asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from parsekit.acl.acl import PUBLIC
from parsekit.acl.clp import default_object_acl
from parsekit.acl.principal import Principal
from parsekit.schema import ClassSchema, Ownership
from parsekit.values import MISSING, Missing, Pointer, Value

__all__ = ["acl_of_new_object", "owned_acl", "transferred_acl"]

_CREATOR: Final = "currentUser"
_ROLE: Final = "role:"

Acl = dict[str, dict[str, bool]]


def acl_of_new_object(
    class_schema: ClassSchema, fields: Mapping[str, Value], principal: Principal
) -> dict[str, Value] | None:
    """The ACL of a new object whose creator sends none; ``None`` to leave it public."""
    if class_schema.ownership is None:
        return default_object_acl(class_schema, principal)
    return owned_acl(class_schema.ownership, fields, principal.user_id)


def owned_acl(
    ownership: Ownership, fields: Mapping[str, Value], creator_id: str | None = None
) -> dict[str, Value]:
    """The ACL that ``ownership`` gives an object of these fields. Nobody is in it who is not declared."""
    acl: dict[str, Value] = {}
    for access, entries in (("read", ownership.read), ("write", ownership.write)):
        for name in _named(entries, fields, creator_id):
            acl.setdefault(name, {})[access] = True
    return acl


def transferred_acl(
    ownership: Ownership,
    acl: Mapping[str, Value],
    before: Mapping[str, Value],
    after: Callable[[str], Value | Missing],
) -> dict[str, Value] | None:
    """``acl`` after a change of fields: rights through the fields go to whom these refer to now; ``None``
    for no change.

    ``before`` are the fields as they were, ``after`` gives those that will be.
    """
    now = {key: after(key) for key in _keys(ownership)}
    if all(before.get(key, MISSING) == value for key, value in now.items()):
        return None
    now = {key: value for key, value in now.items() if value is not MISSING}
    result: Acl = {name: dict(rights) for name, rights in acl.items()}
    for access, entries in (("read", ownership.read), ("write", ownership.write)):
        old, new = set(_named(entries, before, None)), set(_named(entries, now, None))
        for name in old - new:
            result.get(name, {}).pop(access, None)
        for name in new - old:
            result.setdefault(name, {})[access] = True
    result = {name: rights for name, rights in result.items() if rights}
    return None if result == acl else dict(result)


@lru_cache(maxsize=256)
def _keys(ownership: Ownership) -> tuple[str, ...]:
    """The fields through which there are rights."""
    stated = (*ownership.read, *ownership.write)
    return tuple(dict.fromkeys(name for entry in stated for name in _alternatives(entry) if _is_field(name)))


def _alternatives(entry: str) -> list[str]:
    return entry.split("|")


def _is_field(name: str) -> bool:
    return name not in (PUBLIC, _CREATOR) and not name.startswith(_ROLE)


def _named(entries: Iterable[str], fields: Mapping[str, Value], creator_id: str | None) -> Iterator[str]:
    """Whom entries mean, as an ACL names them: of each entry, the first alternative that means anybody."""
    for entry in entries:
        meant = (_meant(name, fields, creator_id) for name in _alternatives(entry))
        yield from next(filter(None, meant), ())


def _meant(name: str, fields: Mapping[str, Value], creator_id: str | None) -> list[str]:
    if name == _CREATOR:
        return [] if creator_id is None else [creator_id]
    return list(_users(fields.get(name))) if _is_field(name) else [name]


def _users(value: Value) -> Iterator[str]:
    for item in value if isinstance(value, list | tuple) else (value,):
        if isinstance(item, Pointer) and item.class_name == "_User":
            yield item.object_id
