"""Requests that come twice are carried out once: the ids of requests, kept for a time in ``_Idempotency``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from parsekit.acl.principal import Principal
from parsekit.errors import DuplicateRequestError
from parsekit.operations import OperationSet, Set
from parsekit.query.ast import Constraint
from parsekit.query.state import QueryState

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["Idempotency"]

_CLASS: Final = "_Idempotency"


@final
class Idempotency:
    """The requests that an engine has seen."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def remember(self, request_id: str, ttl_s: float) -> None:
        """Take note of a request for ``ttl_s`` seconds.

        Raises:
            DuplicateRequestError: 159, it was here within its time.
        """
        engine, now = self._engine, self._engine.options.clock()
        operations = OperationSet()
        operations.perform("reqId", Set(request_id))
        operations.perform("expire", Set(now + timedelta(seconds=ttl_s)))
        same = QueryState(_CLASS, Constraint("reqId", "$eq", request_id), limit=1)
        over = QueryState(_CLASS, Constraint("expire", "$lte", now), limit=-1)
        # SAFETY: no client reads or writes the class; what is kept says nothing of the request but its id.
        master = Principal.master()
        with engine.store.write() as connection:
            view = engine.view(master)
            for entry in engine.reads.find(over, master, None):
                engine.writes.purge(connection, _CLASS, str(entry.object_id), view)
            if engine.reads.count(same, master):
                raise DuplicateRequestError("Duplicate request")
            engine.writes.create(connection, _CLASS, operations, view)
        engine.after_commit()
