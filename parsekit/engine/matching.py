"""Queries under another dialect than the server's: matched row by row, in row order.

The tables are laid out for the server's meaning. Under ``Dialect.IOS_LOCAL`` an object that cannot be compared fails
the whole query, so an index, which never looks at most objects, would answer where iOS does not. The candidates (what
the principal may read, by SQL) are therefore matched by ``query.evaluate`` in the order of their insertion.

Not said here: what the dialect means (``query.dialect``, ``query.matcher``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from parsekit.acl.principal import Principal
from parsekit.engine.comparing import ReadableObjects, lookup_over
from parsekit.object import PFObject
from parsekit.query.ast import AclTest, And, Constraint
from parsekit.query.dialect import Dialect
from parsekit.query.evaluate import count_objects, find_objects
from parsekit.query.state import QueryState

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["count_under", "find_under", "is_matched"]


def is_matched(state: QueryState) -> bool:
    """Whether a query asks for a dialect that SQL does not speak."""
    return state.dialect is not None and state.dialect != Dialect.SERVER


def find_under(
    engine: ParseEngine, state: QueryState, principal: Principal, kind: type[PFObject] | None
) -> list[Any]:
    """The objects of a query under its dialect, included ones attached.

    Raises:
        InvalidQueryError: 102, an object cannot be tested or ordered; on iOS the query fails or the app crashes.
    """
    objects = ReadableObjects(engine, principal)
    rows = find_objects(objects.of(state.class_name), _asked(state), lookup_over(objects, state))
    ids = [str(row["objectId"]) for row in rows]
    by_id = QueryState(
        state.class_name, Constraint("objectId", "$in", tuple(ids)), limit=len(ids), include=state.include
    )
    found = {obj.object_id: obj for obj in engine.reads.find(by_id, principal, kind)}
    return [found[identity] for identity in ids if identity in found]


def count_under(engine: ParseEngine, state: QueryState, principal: Principal) -> int:
    """How many objects match under the query's dialect. Raises as ``find_under`` does, but for orders."""
    objects = ReadableObjects(engine, principal)
    return count_objects(objects.of(state.class_name), _asked(state), lookup_over(objects, state))


def _asked(state: QueryState) -> QueryState:
    return attrs.evolve(state, where=And((AclTest("read"), state.where)), include=())
