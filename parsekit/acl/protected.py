"""Protected fields: which fields of a class a principal does not see.

A class hides fields from groups: ``*``, ``authenticated``, ``role:Name``, a user's objectId,
``userField:F`` (the users that field F of the object refers to). A principal that belongs to several groups
does not see what *all* of them hide, so every further group can only show more (parse_server.md S16;
DatabaseController.addProtectedFields and filterSensitiveData).

``userField`` groups depend on the object and come last. They narrow what the other groups hide, so without
another group that applies they hide nothing (parse_server.md section 14).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, final

from parsekit import attrs
from parsekit.acl.acl import PUBLIC, role_principal
from parsekit.acl.clp import effective_permissions
from parsekit.acl.principal import Principal
from parsekit.schema import ClassSchema
from parsekit.values import Value

__all__ = [
    "DEFAULT_PROTECTED_FIELDS",
    "OwnerGroup",
    "ProtectedFields",
    "Protection",
    "hidden_from",
    "protected_groups",
    "refers_to",
]

ProtectedFields: TypeAlias = Mapping[str, Mapping[str, Iterable[str]]]
"""Class -> group -> fields: the server option of that name, which is joined to what each class states."""

DEFAULT_PROTECTED_FIELDS: Final[ProtectedFields] = MappingProxyType({"_User": {PUBLIC: ("email",)}})
"""Parse Server's default (parse_server.md S17)."""

_USER_FIELD: Final = "userField:"


@final
@attrs.frozen(slots=True)
class Protection:
    """What a server protects beside what its classes state: ``protectedFields`` and its exemptions.

    Where ``owner_exempt``, users see all of their own object. ``trigger_exempt``: hooks see what is hidden from whoever
    writes. ``save_response_exempt``: the answer to a write shows it.
    """

    fields: ProtectedFields = DEFAULT_PROTECTED_FIELDS
    owner_exempt: bool = True
    trigger_exempt: bool = False
    save_response_exempt: bool = True

    @staticmethod
    def joined(
        fields: ProtectedFields,
        *,
        owner_exempt: bool = True,
        trigger_exempt: bool = False,
        save_response_exempt: bool = True,
    ) -> Protection:
        """With the default fields added to ``fields``, unless owners are not exempt (ParseServer.injectDefaults)."""
        merged = {
            name: {group: tuple(keys) for group, keys in groups.items()} for name, groups in fields.items()
        }
        for name, groups in DEFAULT_PROTECTED_FIELDS.items() if owner_exempt else ():
            mine = merged.setdefault(name, {})
            for group, keys in groups.items():
                mine[group] = tuple(dict.fromkeys((*mine.get(group, ()), *keys)))
        return Protection(merged, owner_exempt, trigger_exempt, save_response_exempt)


@final
@attrs.frozen(slots=True)
class OwnerGroup:
    """To a user whom ``field`` of an object refers to, no more than ``protected`` is hidden of that
    object."""

    field: str
    protected: frozenset[str]


def protected_groups(
    class_schema: ClassSchema | None,
    class_name: str,
    defaults: ProtectedFields = DEFAULT_PROTECTED_FIELDS,
) -> dict[str, frozenset[str]]:
    """The groups of a class with what each hides: what the class states, and what ``defaults`` add to a
    group."""
    stated = (effective_permissions(class_schema) or {}).get("protectedFields")
    groups = {group: frozenset(keys) for group, keys in stated.items()} if isinstance(stated, Mapping) else {}
    for group, keys in defaults.get(class_name, {}).items():
        groups[group] = groups.get(group, frozenset()) | frozenset(keys)
    return groups


def hidden_from(
    groups: Mapping[str, frozenset[str]], principal: Principal, role_names: Iterable[str]
) -> tuple[frozenset[str], tuple[OwnerGroup, ...]]:
    """What is hidden of every object, and the groups that show more of some; for a principal that is no
    master."""
    names = [PUBLIC]
    if principal.user_id is not None:
        names += ["authenticated", principal.user_id, *map(role_principal, role_names)]
    applying = [groups[name] for name in names if name in groups]
    hidden = frozenset.intersection(*applying) if applying else frozenset()
    if not hidden or principal.user_id is None:
        return hidden, ()
    owners = (
        OwnerGroup(name.removeprefix(_USER_FIELD), keys)
        for name, keys in sorted(groups.items())
        if name.startswith(_USER_FIELD)
    )
    return hidden, tuple(owner for owner in owners if not hidden <= owner.protected)


def refers_to(value: Value, user_id: str) -> bool:
    """Whether a field's value is a pointer to the user, or an array with one in it.

    Parse Server compares the objectId alone; here the pointer has to lead to ``_User``, so that an object
    of another class that happens to have the user's id shows nothing.
    """
    if isinstance(value, list | tuple):
        return any(_is_pointer_to(item, user_id) for item in value)
    return _is_pointer_to(value, user_id)


def _is_pointer_to(value: Value, user_id: str) -> bool:
    return getattr(value, "class_name", None) == "_User" and getattr(value, "object_id", None) == user_id
