"""The local datastore beside an engine: how it is opened, and what it asks of the engine.

It never needs the engine to answer or to pin; where the engine can be asked, a pinned object's relations come along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsekit._context import CURRENT
from parsekit.errors import EngineError, ParseError, StorageError
from parsekit.localstore import LocalDatastore, Surroundings
from parsekit.object import PFObject
from parsekit.query.ast import Constraint, RelatedTo
from parsekit.query.state import QueryState
from parsekit.user import PFRole, PFSession, PFUser
from parsekit.values import Pointer, RelationReference

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.query.dialect import Dialect
    from parsekit.schema import ClassSchema

__all__ = ["open_beside", "open_local_datastore"]

_ALL = 2**62


def open_beside(engine: ParseEngine, path: str | Path, dialect: Dialect) -> LocalDatastore:
    """The local datastore of an engine. Raises what ``LocalDatastore`` raises."""

    def members(obj: PFObject, key: str) -> Sequence[Pointer] | None:
        binding = CURRENT.get()
        reference = obj.raw(key)
        if binding is None or binding.engine is not engine or obj.object_id is None:
            return None
        if not isinstance(reference, RelationReference):
            return None
        related = RelatedTo(Pointer(obj.class_name, obj.object_id), key)
        query = QueryState(
            reference.class_name, Constraint("", "$relatedTo", related), keys=("objectId",), limit=_ALL
        )
        try:
            found = engine.reads.find(query, binding.principal, PFObject)
        except (ParseError, StorageError, EngineError):
            return None  # refused, or out of reach: what is known of the relation stays known
        return [Pointer(reference.class_name, str(member.object_id)) for member in found]

    def described(name: str) -> ClassSchema | None:
        return engine.schema.get(name)  # as it is then

    surroundings = Surroundings(engine.class_for, described, members)
    return LocalDatastore(
        path,
        dialect=dialect,
        synchronous=engine.options.synchronous,
        busy_timeout_s=engine.options.busy_timeout_s,
        clock=engine.options.clock,
        surroundings=surroundings,
        owner=engine,
    )


def open_local_datastore(
    path: str | Path = ":memory:", *, classes: Iterable[type[PFObject]] = (), **options: Any
) -> LocalDatastore:
    """Open a local datastore alone, where there is no engine to reach. Enter it with ``with``.

    Args:
        path: the file, which may be one that an engine was opened with as ``local_datastore``.
        classes: typed classes to hydrate to.
        options: ``dialect``, ``synchronous``, ``busy_timeout_s``, ``clock``.

    Raises:
        StorageError: the file is none of a local datastore, or is locked.
    """
    known: dict[str, type[PFObject]] = {"_User": PFUser, "_Role": PFRole, "_Session": PFSession}
    known.update({kind.parse_class_name: kind for kind in classes})
    return LocalDatastore(path, surroundings=Surroundings(lambda name: known.get(name, PFObject)), **options)
