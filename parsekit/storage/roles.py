"""The roles of a user: one recursive statement, however deep roles are nested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import apsw

if TYPE_CHECKING:
    from parsekit.acl.roles import Role

__all__ = ["all_roles", "role_names_of"]

# A constant: no identifier or value of a caller is in it. Members of a role that is in another role's ``roles``
# relation have that other role too (parse_server.md A3); UNION cuts cycles.
_ROLES: Final = """
WITH RECURSIVE held(id) AS (
  SELECT "owningId" FROM "_Join:users:_Role" WHERE "relatedId" = ?
  UNION
  SELECT parent."owningId" FROM "_Join:roles:_Role" AS parent JOIN held ON parent."relatedId" = held.id
)
SELECT role."name" FROM held CROSS JOIN "_Role" AS role ON role."objectId" = held.id WHERE role."name" IS NOT NULL
"""


def role_names_of(connection: apsw.Connection, user_id: str) -> frozenset[str]:
    """The names of every role that the user has. The class ``_Role`` must exist."""
    return frozenset(name for (name,) in connection.execute(_ROLES, (user_id,)))


# Constants too. The empty side of each half of the UNION tells users from roles.
_ALL: Final = """
SELECT role."objectId", role."name", member."relatedId", NULL
FROM "_Role" AS role LEFT JOIN "_Join:users:_Role" AS member ON member."owningId" = role."objectId"
UNION ALL
SELECT role."objectId", role."name", NULL, child."relatedId"
FROM "_Role" AS role JOIN "_Join:roles:_Role" AS child ON child."owningId" = role."objectId"
"""


def all_roles(connection: apsw.Connection) -> list[Role]:
    """Every role with its direct members. For explanations; who has which role is asked above."""
    names: dict[str, str] = {}
    users: dict[str, set[str]] = {}
    children: dict[str, set[str]] = {}
    for identity, name, user, child in connection.execute(_ALL):
        names[str(identity)] = str(name)
        if user is not None:
            users.setdefault(str(identity), set()).add(str(user))
        if child is not None:
            children.setdefault(str(identity), set()).add(str(child))
    from parsekit.acl.roles import Role

    return [Role(key, name, users.get(key, ()), children.get(key, ())) for key, name in names.items()]
