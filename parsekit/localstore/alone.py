"""What stands in for the engine where a local datastore was opened alone: nothing but its queries can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, final

from parsekit.errors import EngineError
from parsekit.file import PFFile
from parsekit.object import PFObject
from parsekit.relation import PFRelation
from parsekit.schema import Schema

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.localstore.datastore import LocalDatastore
    from parsekit.localstore.live import LocalLive
    from parsekit.query.state import QueryState
    from parsekit.values import FileReference

__all__ = ["Alone"]


@final
class Alone:
    """The engine of the current context while there is none but a local datastore."""

    def __init__(self, datastore: LocalDatastore) -> None:
        self.local_datastore = datastore

    @property
    def live(self) -> LocalLive:
        """Subscriptions to what is kept."""
        return self.local_datastore.live

    @property
    def schema(self) -> Schema:
        """No schema is known here."""
        return Schema()

    def _asked(self, state: QueryState | None) -> QueryState:
        if state is None or not state.from_local:
            raise EngineError(
                "no engine is open here, only a local datastore; ask it with from_local_datastore() or from_pin()"
            )
        return state

    def find_objects(
        self, state: QueryState, principal: Principal, kind: type[PFObject] | None = None
    ) -> list[Any]:
        """The objects of a query."""
        return self.local_datastore.reading.find(self._asked(state), principal, kind)

    def count_objects(self, state: QueryState, principal: Principal) -> int:
        """How many objects match."""
        return self.local_datastore.reading.count(self._asked(state), principal)

    def get_object(
        self,
        class_name: str,  # noqa: ARG002 - the state says it
        object_id: str,
        principal: Principal,
        kind: type[PFObject] | None = None,
        state: QueryState | None = None,
    ) -> Any:
        """One object by id."""
        return self.local_datastore.reading.get(self._asked(state), object_id, principal, kind)

    def stream_objects(
        self,
        state: QueryState,
        principal: Principal,
        kind: type[PFObject] | None,
        batch_size: int,  # noqa: ARG002 - they are all here
    ) -> Iterator[Any]:
        """The objects of a query one by one."""
        return self.local_datastore.reading.stream(self._asked(state), principal, kind)

    def explain_query(self, state: QueryState, principal: Principal) -> Any:
        """How a query would run."""
        return self.local_datastore.reading.explain(self._asked(state), principal)

    def relation(self, owner: PFObject, key: str) -> PFRelation[Any]:
        """The relation ``key`` of an object."""
        return PFRelation(owner, key)

    def file(self, reference: FileReference) -> PFFile:
        """The file that an object refers to."""
        return PFFile.from_reference(reference)

    def save_objects(self, *_: Any) -> NoReturn:
        """Refused: there is nowhere to save to."""
        self._refuse("save")

    def delete_objects(self, *_: Any) -> NoReturn:
        """Refused: there is nowhere to delete from."""
        self._refuse("delete")

    def fetch_objects(self, *_: Any) -> NoReturn:
        """Refused: there is nowhere to fetch from."""
        self._refuse("fetch")

    def _refuse(self, verb: str) -> NoReturn:
        raise EngineError(
            f"{verb}: only a local datastore is open here; what is pending is kept in it, {verb} it under an engine "
            "opened with parsekit.open(path, local_datastore=...)"
        )
