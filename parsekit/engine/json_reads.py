"""``JsonReads``: finds and gets whose objects go out as JSON: rows become texts, no object is made between.

The same statements under the same permissions as ``ReadPath``'s, and the same answers
(``tests/engine/test_json_reads.py``). Where objects themselves are needed there is no such answer: hooks around finds,
fields that are hidden on some objects only, includes of what is inside of arrays and objects.

An object that several others include is written once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, final

from parsekit.acl.guard import read_operation
from parsekit.codec import dumps
from parsekit.engine.row_json import NeedsObjectsError, RowJson, UrlOf, add_urls
from parsekit.object_including import include_tree, included_query
from parsekit.query.state import QueryState

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.asking import Asking
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.read import ReadPath, Rows
    from parsekit.storage.binding import Compiled
    from parsekit.storage.layout import ClassLayout

__all__ = ["JsonReads"]

_MOST_WRITERS: Final = 4_096
_OWN_FORM: Final = frozenset({"_Hooks"})
"""Classes whose objects do not go out as their fields are."""


@final
class _Page:
    """Rows of one statement, and what is included in them: by key, by the cell of the pointer."""

    __slots__ = ("included", "rows", "writer")

    def __init__(self, writer: RowJson, rows: Rows) -> None:
        self.writer = writer
        self.rows = rows
        self.included: dict[str, Mapping[Any, str]] = {}


@final
class JsonReads:
    """Answers queries in JSON. ``url_of`` gives files their URLs."""

    def __init__(self, engine: ParseEngine, url_of: UrlOf) -> None:
        self._engine = engine
        self._reads = engine.reads
        self._store = engine.store
        self.url_of = url_of
        self._writers: dict[Compiled, RowJson] = {}
        self._store.on_reload(self._writers.clear)

    def find(self, state: QueryState, principal: Principal) -> list[str] | None:
        """The objects of a query as REST has them, each a JSON text; ``None`` where objects themselves are needed.

        Raises as ``ParseEngine.find_objects`` does.
        """
        if not self._is_answered(state):
            return None
        operation, made = read_operation(state), _Made(self, self._reads)
        try:
            return self._reads.retry(lambda: self._reads.found(state, principal, operation, made))
        except NeedsObjectsError:
            return None

    def get(
        self, class_name: str, object_id: str, principal: Principal, state: QueryState | None
    ) -> str | None:
        """One object by id, with the projection and includes of ``state``. Answers and raises as ``find`` does.

        Raises:
            ObjectNotFoundError: 101, there is none, or none that the principal may see.
        """
        if not self._is_answered(state or QueryState(class_name)):
            return None
        if state is None:
            prepared = self._reads.get_prepared_row(class_name, object_id, principal)
            layout = self._store.catalog.layout(class_name)
            if prepared is not None and layout is not None:
                return self.writer(prepared[0], layout).texts([prepared[1]])[0]
        try:
            return self._reads.got(class_name, object_id, principal, state, _Made(self, self._reads))
        except NeedsObjectsError:
            return None

    def _is_answered(self, state: QueryState) -> bool:
        return not (
            state.from_local
            or state.dialect is not None
            or state.class_name in _OWN_FORM
            or (not self._engine.cloud.is_empty and self._engine.cloud.hooks_finds)
        )

    def writer(self, compiled: Compiled, layout: ClassLayout) -> RowJson:
        """How the rows of a statement are written."""
        writer = self._writers.get(compiled)
        if writer is None:
            if len(self._writers) >= _MOST_WRITERS:
                self._writers.clear()
            writer = self._writers[compiled] = RowJson(
                compiled.columns, layout, self._store.acl_texts, self.url_of
            )
        return writer


@final
class _Made:
    """What is made of the rows of a query: texts, with what ``state`` includes in them."""

    __slots__ = ("_json", "_reads", "_state", "_view")

    def __init__(self, json: JsonReads, reads: ReadPath) -> None:
        self._json = json
        self._reads = reads

    def __call__(self, state: QueryState, compiled: Compiled, rows: Rows, asking: Asking) -> list[str]:
        if asking.reading.per_object:
            raise NeedsObjectsError
        writer = self._json.writer(compiled, asking.layout)
        if not (state.include or state.keys is not None or state.exclude_keys):
            return writer.texts(rows)
        page = _Page(writer, rows)
        self._state, self._view = state, asking.view
        self._include([page], include_tree(state), "")
        return writer.texts(rows, page.included)

    def _include(self, pages: list[_Page], tree: Mapping[str, Any], path: str) -> None:
        """Include the branches of ``tree`` in the objects of ``pages``, which stand at ``path``."""
        for name, branch in tree.items():
            wanted: dict[str, dict[str, None]] = {}
            for page in pages:
                page.writer.collect(name, page.rows, wanted)
            if not wanted:
                continue
            found: dict[str, Mapping[str, str]] = {}
            below: list[tuple[str, _Page]] = []
            for class_name, ids in wanted.items():
                query = included_query(self._state, f"{path}{name}", class_name, ids)
                asking = self._reads.including(class_name, len(ids), self._view)
                if asking is None:
                    continue
                if asking.reading.per_object or class_name in _OWN_FORM:
                    found[class_name] = self._objects(query, len(ids), bool(branch))
                    continue
                compiled, rows = self._reads.included_rows(query, asking)
                below.append((class_name, _Page(self._json.writer(compiled, asking.layout), rows)))
            if branch:
                self._include([page for _, page in below], branch, f"{path}{name}.")
            for class_name, page in below:
                texts = page.writer.texts_included(page.rows, page.included)
                found[class_name] = dict(zip(page.writer.ids(page.rows), texts, strict=True))
            for page in pages:
                page.included[name] = page.writer.by_cell(name, found)

    def _objects(self, query: QueryState, ids: int, has_branch: bool) -> Mapping[str, str]:
        """Included objects of which not all show the same, by their ids."""
        if has_branch:
            raise NeedsObjectsError
        texts = {}
        for obj in self._reads.included(query, ids, self._view):
            entry = obj.to_json()
            add_urls(entry, self._json.url_of)
            texts[str(obj.object_id)] = dumps(entry)
        return texts
