"""The two halves of an object: what all rows of a result share, and what one changed object keeps for itself.

``ResultContext`` says where each key is in a row and how to get what is not in the row; ``LocalState`` appears with an
object's first change. ``object`` is their only user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final

from parsekit.operations import OperationSet
from parsekit.values import MISSING, Missing, RelationReference, Value

if TYPE_CHECKING:
    from parsekit.object import PFObject

__all__ = [
    "CONTAINER",
    "NO_FIELDS",
    "ONLY_ID",
    "PLAIN",
    "POINTER",
    "SYSTEM_KEYS",
    "FieldEntry",
    "Included",
    "LocalState",
    "ResultContext",
    "ResultShape",
    "Watcher",
]

PLAIN: Final = 0
POINTER: Final = 1
CONTAINER: Final = 2
FieldEntry = tuple[Any, "Callable[[Any], Value] | None", int]
"""Position in the row (a slice for two cells), decoder, and whether the value is or may hold a pointer."""

Included: TypeAlias = "dict[str, dict[str, PFObject]]"
"""Objects that came with an include, by class and objectId."""

SYSTEM_KEYS: Final = frozenset({"objectId", "createdAt", "updatedAt", "className"})


@final
class ResultShape:
    """What all results of one statement share, made once: where each key is, and how to get what is not in the row.

    ``acl_at`` and ``nulls_at`` are positions in the row, -1 where there is none; ``targets`` are the keys whose cells
    are the objectIds of objects of one class, and that class.
    """

    __slots__ = (
        "acl_at",
        "acl_of",
        "class_name",
        "classes",
        "engine",
        "fields",
        "nulls_at",
        "relations",
        "targets",
        "watcher",
    )

    def __init__(
        self,
        class_name: str,
        fields: Mapping[str, FieldEntry],
        *,
        acl_at: int = -1,
        nulls_at: int = -1,
        acl_of: Callable[[int], Value] | None = None,
        relations: Mapping[str, str] | None = None,
        targets: Mapping[str, str] | None = None,
        engine: Any = None,
        classes: Callable[[str], type[PFObject]],
        watcher: Watcher | None = None,
    ) -> None:
        self.class_name = class_name
        self.fields = fields
        self.acl_at = acl_at
        self.nulls_at = nulls_at
        self.acl_of = acl_of
        self.relations: Mapping[str, str] = relations or {}
        self.targets: Mapping[str, str] = targets or {}
        self.engine = engine
        self.classes = classes
        self.watcher = watcher


class Watcher(Protocol):
    """What keeps objects that change: the local datastore. It tells the one state of each object that it keeps."""

    def state_of(self, obj: PFObject, fresh: LocalState) -> LocalState:
        """The state that ``obj`` shall have with its first change: ``fresh``, or the one that is kept already."""

    def changed(self, obj: PFObject) -> None:
        """The pending operations of an object that is kept are others now."""


@final
class ResultContext:
    """What all objects of one result share: the shape of its rows, and the objects included with it."""

    __slots__ = ("complete", "fields", "included", "shape")

    def __init__(self, shape: ResultShape, complete: bool) -> None:
        self.shape = shape
        self.fields = shape.fields
        self.complete = complete
        self.included: dict[str, Included] | None = None

    @property
    def class_name(self) -> str:
        """The class of the objects."""
        return self.shape.class_name

    def read(self, key: str, row: tuple[Any, ...]) -> Value | Missing:
        """The value of ``key`` in ``row``, pointers as ``Pointer``."""
        entry = self.fields.get(key)
        if entry is None:
            target = self.shape.relations.get(key)
            return MISSING if target is None else RelationReference(target)
        stored = row[entry[0]]
        if stored is not None:
            value: Value | Missing = stored if entry[1] is None else entry[1](stored)
            if value is not MISSING:  # two empty cells of a GeoPoint
                return value
        nulls_at = self.shape.nulls_at
        if nulls_at >= 0:
            nulls = row[nulls_at]
            if nulls is not None and f",{key}," in nulls:
                return None
        return MISSING

    def include(self, key: str, objects: Included) -> None:
        """Attach the objects that the pointers under ``key`` lead to; a pointer to any other then reads as absent."""
        if self.included is None:
            self.included = {}
        self.included[key] = objects

    def keys(self, row: tuple[Any, ...]) -> list[str]:
        """The keys that ``row`` holds a value for."""
        names = [key for key in self.fields if self.read(key, row) is not MISSING]
        return names + list(self.shape.relations)


NO_FIELDS: Final[dict[str, FieldEntry]] = {}
ONLY_ID: Final[dict[str, FieldEntry]] = {"objectId": (0, None, PLAIN)}
"""Of a stub, whose row is its objectId alone."""


@final
class LocalState:
    """The changeable half of an object: what it was read from, what the server said since, what is pending."""

    __slots__ = (
        "__weakref__",
        "complete",
        "created_at",
        "estimated",
        "new",
        "node",
        "object_id",
        "operations",
        "row",
        "server",
        "updated_at",
        "watcher",
    )

    def __init__(self, row: tuple[Any, ...] | None, *, complete: bool, new: bool = False) -> None:
        self.row = row
        self.server: dict[str, Value | Missing] = {}
        self.operations = OperationSet()
        self.estimated: dict[str, Value | Missing] = {}
        self.object_id: str | None = None
        self.created_at: datetime | None = None
        self.updated_at: datetime | None = None
        self.complete = complete
        self.new = new
        self.watcher: Watcher | None = None
        self.node = 0
        """The number under which ``watcher`` keeps the object, 0 while none does."""

    def copy(self) -> LocalState:
        """An equal state that changes on its own."""
        copy = LocalState(self.row, complete=self.complete, new=self.new)
        copy.server, copy.estimated = dict(self.server), dict(self.estimated)
        copy.operations = self.operations.copy()
        copy.object_id, copy.created_at, copy.updated_at = self.object_id, self.created_at, self.updated_at
        copy.watcher, copy.node = self.watcher, self.node
        return copy

    def become(self, other: LocalState) -> None:
        """Hold what ``other`` holds; whoever shares this state sees it."""
        self.row, self.server, self.estimated = other.row, dict(other.server), dict(other.estimated)
        self.operations = other.operations.copy()
        self.object_id, self.created_at, self.updated_at = other.object_id, other.created_at, other.updated_at
        self.complete, self.new = other.complete, other.new
