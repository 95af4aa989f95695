"""What only storage knows of users: the column of their secrets, and look-ups that no Parse query can
express.

``_secret`` holds a user's password hash, history, tokens and counters as JSON; no field of the class leads
to it, so no query, projection, index of a schema, journal entry or export can name it. What the JSON means
is said in ``auth.secrets``. Values are bound; the statements are made once per table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, final

import apsw

from parsekit import attrs
from parsekit.storage import ddl
from parsekit.storage.layout import ACL_COLUMN, RID_COLUMN, SECRET_COLUMN, ClassLayout

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = [
    "LoginCandidate",
    "index_auth_provider",
    "login_candidates",
    "name_is_taken",
    "read_secret",
    "secret_texts",
    "users_with_auth_id",
    "users_with_secret",
    "write_secret",
]

_NOT_ASCII: Final = "*[^ -~]*"


@final
@attrs.frozen(slots=True)
class LoginCandidate:
    """A user whom a login may mean. ``acl`` is the number of the user's ACL."""

    object_id: str
    username: str | None
    acl: int
    secret: str | None = attrs.field(repr=False)


def _equal(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    return exp.EQ(this=left, expression=right)


@lru_cache(maxsize=64)
def _candidates_statement(table: str, username: str, email: str, given: str) -> str:
    """SELECT of users by username and email, by email, or by one name that may be either."""
    from sqlglot import exp

    from parsekit.storage import nodes

    by_name = _equal(nodes.column(username), exp.Placeholder())
    by_email = _equal(nodes.column(email), exp.Placeholder())
    conditions = {
        "both": nodes.all_of([by_name, by_email]),
        "email": by_email,
        "either": nodes.any_of([by_name, by_email]),
    }
    names = ("objectId", username, ACL_COLUMN, SECRET_COLUMN)
    columns = [nodes.column(name) for name in names]
    order = [exp.Ordered(this=nodes.column(RID_COLUMN))]
    return nodes.render(nodes.select(columns, nodes.table(table), conditions[given], order=order))


def login_candidates(
    connection: apsw.Connection, layout: ClassLayout, username: str | None, email: str | None
) -> list[LoginCandidate]:
    """The users of a username and an email address, or of one of them; a username alone may be an address
    too.
    """
    columns = layout.columns["username"].name, layout.columns["email"].name
    values: tuple[str | None, ...]
    if email is not None:
        given, values = ("both", (username, email)) if username is not None else ("email", (email,))
    else:
        given, values = "either", (username, username)
    rows = connection.execute(_candidates_statement(layout.table, *columns, given), values)
    return [LoginCandidate(*row) for row in rows]


@lru_cache(maxsize=64)
def _taken_statement(table: str, column: str, by: str) -> str:
    """SELECT of the values of a column that another object has: equal but for case, or those that are not
    ASCII.
    """
    from sqlglot import exp

    from parsekit.storage import nodes

    if by == "ascii":
        folded = nodes.call("lower", nodes.column(column))
        found = _equal(folded, nodes.call("lower", exp.Placeholder()))
    else:
        found = exp.Glob(this=nodes.column(column), expression=exp.Placeholder())
    other = exp.NEQ(this=nodes.column("objectId"), expression=exp.Placeholder())
    return nodes.render(
        nodes.select([nodes.column(column)], nodes.table(table), nodes.all_of([found, other]))
    )


def name_is_taken(
    connection: apsw.Connection, layout: ClassLayout, key: str, value: str, except_id: str
) -> bool:
    """Whether another user has this username (or address) when case does not count.

    SQLite folds ASCII alone, and has an index for it; a name with other letters is compared with all such
    names.
    """
    column = layout.columns[key].name
    sql = _taken_statement(layout.table, column, "ascii")
    if connection.execute(sql, (value, except_id)).fetchone() is not None:
        return True
    if value.isascii():
        return False
    rows = connection.execute(_taken_statement(layout.table, column, "other"), (_NOT_ASCII, except_id))
    return any(str(name).casefold() == value.casefold() for (name,) in rows)


# --- secrets ---


@lru_cache(maxsize=16)
def _secret_statement(table: str, verb: str) -> str:
    from sqlglot import exp

    from parsekit.storage import nodes

    secret = nodes.column(SECRET_COLUMN)
    identity = _equal(nodes.column("objectId"), exp.Placeholder())
    if verb == "write":
        change = _equal(secret, exp.Placeholder())
        where = exp.Where(this=identity)
        return nodes.render(exp.Update(this=nodes.table(table), expressions=[change], where=where))
    return nodes.render(nodes.select([secret], nodes.table(table), identity if verb == "read" else None))


def read_secret(connection: apsw.Connection, layout: ClassLayout, object_id: str) -> str | None:
    """The secrets of a user as JSON, ``None`` for a user without any."""
    row = connection.execute(_secret_statement(layout.table, "read"), (object_id,)).fetchone()
    return None if row is None else row[0]


def write_secret(connection: apsw.Connection, layout: ClassLayout, object_id: str, text: str) -> None:
    """Replace the secrets of a user. Inside ``Store.write()``."""
    connection.execute(_secret_statement(layout.table, "write"), (text, object_id))


def secret_texts(connection: apsw.Connection, layout: ClassLayout) -> Sequence[str | None]:
    """The secrets of every user, for ``check --security``."""
    return [text for (text,) in connection.execute(_secret_statement(layout.table, "all"))]


@lru_cache(maxsize=64)
def _by_json_statement(table: str, column: str, path: str) -> str:
    """SELECT of the users at whose ``path`` inside a JSON column a value stands."""
    from sqlglot import exp

    from parsekit.storage import nodes

    inside = nodes.call("json_extract", nodes.column(column), nodes.text(path))
    where = _equal(inside, exp.Placeholder())
    return nodes.render(nodes.select([nodes.column("objectId")], nodes.table(table), where))


def users_with_secret(connection: apsw.Connection, layout: ClassLayout, name: str, value: str) -> list[str]:
    """The ids of the users whose secret ``name`` (``reset_token`` or ``verify_token``) is ``value``."""
    sql = _by_json_statement(layout.table, SECRET_COLUMN, ddl.secret_path(name))
    return [str(found) for (found,) in connection.execute(sql, (value,))]


def users_with_auth_id(
    connection: apsw.Connection, layout: ClassLayout, provider: str, auth_id: str | int
) -> list[str]:
    """The ids of the users who are linked to this account of ``provider``."""
    sql = _by_json_statement(layout.table, layout.columns["authData"].name, ddl.provider_path(provider))
    return [str(found) for (found,) in connection.execute(sql, (auth_id,))]


def index_auth_provider(connection: apsw.Connection, layout: ClassLayout, provider: str) -> None:
    """Make ``users_with_auth_id`` fast for a provider from now on. Inside ``Store.write()``."""
    connection.execute(ddl.create_provider_index(layout.table, layout.columns["authData"].name, provider))
