"""What stands for the engine in a task: it answers what needs no database and refuses the rest with the way to do it.

``query.find()`` would block the event loop, so under an asynchronous engine it raises and says what to write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from parsekit.errors import EngineError

if TYPE_CHECKING:
    from parsekit.cloud import CloudCode
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.options import EngineOptions
    from parsekit.file import PFFile
    from parsekit.object import PFObject
    from parsekit.relation import PFRelation
    from parsekit.schema import Schema
    from parsekit.values import FileReference

__all__ = ["RefusingEngine"]

_SENTENCES: Final = {
    "find_objects": "await engine.find(query), or await engine.first(query)",
    "get_object": "await engine.get(query, object_id)",
    "count_objects": "await engine.count(query)",
    "stream_objects": "async for obj in engine.each(query)",
    "distinct_values": "await engine.distinct(query, key)",
    "aggregate_rows": "await engine.aggregate(query, pipeline)",
    "explain_query": "await engine.explain(query)",
    "compare_dialects": "await engine.compare_dialects(query)",
    "live": "async for event in engine.subscribe(query), or engine.observe(query)",
    "save_objects": "await engine.save(obj), or await engine.save_all(objects)",
    "delete_objects": "await engine.delete(obj), or await engine.delete_all(objects)",
    "fetch_objects": "await engine.fetch(obj), or await engine.fetch_all(objects)",
    "sign_up": "await engine.sign_up(username, password=...)",
    "accounts": "await engine.log_in(username, password), await engine.become(token) or await engine.log_out()",
    "filing": "await engine.save_file(file) or await engine.delete_file(file)",
    "files": "await engine.get_data(file)",
    "transaction": "async with engine.transaction()",
}


@final
class RefusingEngine:
    """The engine of a task's binding. ``_engine`` is the one that answers."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> NoReturn:
        sentence = _SENTENCES.get(name, "await engine.run(action)")
        raise EngineError(f"this task runs under an asynchronous engine, which is awaited; write {sentence}")

    @property
    def options(self) -> EngineOptions:
        """As ``ParseEngine.options``."""
        return self._engine.options

    @property
    def schema(self) -> Schema:
        """As ``ParseEngine.schema``."""
        return self._engine.schema

    @property
    def cloud(self) -> CloudCode:
        """As ``ParseEngine.cloud``."""
        return self._engine.cloud

    def class_for(self, class_name: str) -> type[PFObject]:
        """As ``ParseEngine.class_for``."""
        return self._engine.class_for(class_name)

    def relation(self, owner: PFObject, key: str) -> PFRelation[Any]:
        """As ``ParseEngine.relation``."""
        return self._engine.relation(owner, key)

    def file(self, reference: FileReference) -> PFFile:
        """As ``ParseEngine.file``."""
        return self._engine.file(reference)
