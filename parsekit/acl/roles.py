"""Roles: which ones a user has, and what makes a role valid. Pure; storage computes the same closure in SQL.

The direction is easy to get wrong. A role's ``roles`` relation lists its *children*, and the members of a
child have the parent too::

    sales  --roles-->  managers  --users-->  alice        alice has "managers" and "sales"

So a user has the roles that list the user, then every role that lists one of those, and so on (Parse Server,
Auth._getAllRolesNamesForRoleIds). Circles are cut.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, final

from parsekit import attrs
from parsekit.errors import RoleNameError, TypeMismatchError
from parsekit.values import Value

__all__ = ["Role", "RoleGraph", "check_role_create", "check_role_name", "check_role_update", "circles"]

_ROLE_NAME: Final = re.compile(r"[0-9a-zA-Z_\- ]+\Z")
_REQUIRED: Final = ("name", "ACL")


def _ids(ids: Iterable[str]) -> frozenset[str]:
    return frozenset(ids)


@final
@attrs.frozen(slots=True)
class Role:
    """What the closure needs of a role. ``role_ids`` are the children: the ids in its ``roles`` relation."""

    object_id: str
    name: str
    user_ids: frozenset[str] = attrs.field(converter=_ids, default=frozenset())
    role_ids: frozenset[str] = attrs.field(converter=_ids, default=frozenset())


class RoleGraph:
    """All roles, indexed so that the roles of one user are found without looking at the others."""

    __slots__ = ("_direct", "_parents")

    def __init__(self, roles: Iterable[Role]) -> None:
        self._direct: dict[str, list[Role]] = {}
        self._parents: dict[str, list[Role]] = {}
        for role in sorted(roles, key=lambda role: (role.name, role.object_id)):
            for user_id in role.user_ids:
                self._direct.setdefault(user_id, []).append(role)
            for child_id in role.role_ids:
                self._parents.setdefault(child_id, []).append(role)

    def names_of(self, user_id: str) -> frozenset[str]:
        """The names of all roles that the user has."""
        return frozenset(self.paths_of(user_id))

    def paths_of(self, user_id: str) -> dict[str, tuple[str, ...]]:
        """For each role that the user has, a shortest way to it: the role that lists the user first, it
        last."""
        found: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        waiting: deque[tuple[Role, tuple[str, ...]]] = deque()
        waiting.extend((role, (role.name,)) for role in self._direct.get(user_id, ()))
        while waiting:
            role, path = waiting.popleft()
            if role.object_id in seen:
                continue
            seen.add(role.object_id)
            found.setdefault(role.name, path)
            for parent in self._parents.get(role.object_id, ()):
                waiting.append((parent, (*path, parent.name)))
        return found


def circles(roles: Iterable[Role]) -> list[list[Role]]:
    """The circles among roles: groups of which each lists another one until the first comes again.

    Tarjan's strongly connected components, without recursion: nesting may be deeper than Python's stack.
    """
    by_id = {role.object_id: role for role in roles}
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    waiting: dict[str, None] = {}  # visited and in no component yet, in order
    found: list[list[Role]] = []

    def visit(identity: str) -> tuple[str, Iterator[str]]:
        order[identity] = lowest[identity] = len(order)
        waiting[identity] = None
        return identity, iter(sorted(by_id[identity].role_ids & by_id.keys()))

    for start in by_id:
        path = [] if start in order else [visit(start)]
        while path:
            identity, children = path[-1]
            child = next(children, None)
            if child is None:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[identity])
                if lowest[identity] == order[identity]:
                    found.append([by_id[one] for one in _taken(waiting, identity)])
            elif child not in order:
                path.append(visit(child))
            elif child in waiting:
                lowest[identity] = min(lowest[identity], order[child])
    return [group for group in found if len(group) > 1 or group[0].object_id in group[0].role_ids]


def _taken(waiting: dict[str, None], last: str) -> list[str]:
    """Take the ids off the end, up to ``last``."""
    group = []
    while last in waiting:
        group.append(waiting.popitem()[0])
    return group


def check_role_name(name: object) -> str:
    """The name, when a ``PFRole`` may have it.

    This is the SDKs' rule (ios_sdk.md 1.3): the server takes any name, so data that comes in over REST is
    not held to it.

    Raises:
        RoleNameError: 139, not a string, empty, or with a character that is not allowed.
    """
    if not isinstance(name, str) or not _ROLE_NAME.match(name):
        raise RoleNameError(
            "Role's name is invalid.",
            hint="a role name is made of letters, digits, underscores, dashes and spaces",
        )
    return name


def check_role_create(fields: Mapping[str, Value]) -> None:
    """Refuse a new role without a name or an ACL (parse_server.md S6). An empty ACL is an ACL.

    Raises:
        TypeMismatchError: 111 with Parse's text.
    """
    for key in _REQUIRED:
        value = fields.get(key)
        if not value and not isinstance(value, Mapping):
            raise TypeMismatchError(f"{key} is required.", hint="a role needs a name and an ACL")


def check_role_update(deleted: Collection[str]) -> None:
    """Refuse to delete the name or the ACL of a role; ``deleted`` are the keys that a save deletes.

    Raises:
        TypeMismatchError: 111 with Parse's text.
    """
    for key in _REQUIRED:
        if key in deleted:
            raise TypeMismatchError(f"{key} is required.", hint="a role keeps its name and its ACL")
