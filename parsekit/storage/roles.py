"""The roles of a user: one recursive statement, however deep roles are nested."""

from __future__ import annotations

from typing import Final

import apsw

__all__ = ["role_names_of"]

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
