"""``PFObject``: an object of a class, read lazily, changed through operations.

The picture: an object that came from a query is a row tuple plus a ``ResultContext`` that all rows of the result
share; a value is decoded when its key is read. The first change gives the object a ``LocalState``: pending operations
and the values they lead to. ``save()`` sends the operations; a failed save keeps them.

Reading: ``obj[key]`` raises for an absent key, ``obj.get(key)`` gives ``None``. A pointer reads as a ``PFObject``
(complete when included, else a stub that ``fetch_if_needed()`` fills). Lists and dicts read as fresh copies: change
them through ``add_object`` and the like, or assign them back. ``typed`` builds typed classes on top.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, dataclass_transform

from parsekit._context import CURRENT, current_binding
from parsekit.acl.acl import PFACL
from parsekit.codec import DEEPEST, decode_value, too_deep
from parsekit.errors import (
    EngineError,
    did_you_mean,
)
from parsekit.object_reading import ReadableObject
from parsekit.object_state import (
    NO_FIELDS,
    ONLY_ID,
    SYSTEM_KEYS,
    LocalState,
    ResultContext,
    ResultShape,
)
from parsekit.operations import (
    Add,
    AddUnique,
    Delete,
    Increment,
    Operation,
    OperationSet,
    Remove,
    Set,
    apply,
)
from parsekit.schema import ClassSchema
from parsekit.typed import PFField, describe_class
from parsekit.values import (
    NEW_POINTER,
    PUT_CLASS,
    PUT_ID,
    Missing,
    PFGeoPoint,
    PFPolygon,
    Pointer,
    Value,
    kind_of,
    to_utc,
)

if TYPE_CHECKING:
    from parsekit.relation import PFRelation

__all__ = ["LocalState", "PFObject", "ResultContext", "hydrate"]

_NOT_FIELDS: Final = SYSTEM_KEYS | {"ACL"}
_AS_THEY_ARE: Final = frozenset({str, int, float, bool, bytes, type(None), Pointer, PFGeoPoint, PFPolygon})
"""Types whose values may be assigned without a closer look or a copy."""
_SLOTS: Final = {"objectId": "object_id", "createdAt": "created_at", "updatedAt": "updated_at"}


def hydrate(kind: type[O], rows: Sequence[tuple[Any, ...]], context: ResultContext) -> list[O]:
    """One object per row, about 0.3 us each: no value is decoded here."""
    if len(rows) == 1:
        alone = object.__new__(kind)
        alone._state, alone._context = rows[0], context
        return [alone]
    objects = list(map(object.__new__, repeat(kind, len(rows))))
    for _ in map(_set_state, objects, rows):
        pass
    for _ in map(_set_context, objects, repeat(context)):
        pass
    return objects


def _plain_class(_class_name: str) -> type[PFObject]:
    return PFObject


@lru_cache(maxsize=1_000)
def _context_of_new(class_name: str) -> ResultContext:
    """What all objects of a class share that no query gave."""
    return ResultContext(ResultShape(class_name, NO_FIELDS, classes=_plain_class), True)


@lru_cache(maxsize=1_000)
def _context_of_stub(class_name: str) -> ResultContext:
    return _stub_context(class_name, None)


def _stub_context(class_name: str, engine: Any) -> ResultContext:
    return ResultContext(ResultShape(class_name, ONLY_ID, engine=engine, classes=_plain_class), False)


@dataclass_transform(kw_only_default=True, field_specifiers=(PFField,))
class PFObject(ReadableObject):
    """An object of a class.

    ``PFObject("Deal", title="Acme")`` is new and unsaved. Subclass it for typed access:
    ``class Deal(PFObject, class_name="Deal"): title: str; amount: float | None = None``.
    Objects with an objectId are equal when class and objectId are, and hash by them; unsaved ones are equal only to
    themselves and do not hash.
    """

    __slots__ = ()

    parse_class_name: ClassVar[str] = ""
    parse_schema: ClassVar[ClassSchema | None] = None

    def __init_subclass__(cls, class_name: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if class_name is not None:
            cls.parse_class_name = class_name
        if cls.parse_class_name:
            around = sys._getframe(1).f_locals  # of the class statement, whose names annotations may use
            cls.parse_schema = describe_class(cls, PFObject, around)

    def __init__(self, class_name: str | None = None, /, **values: Any) -> None:
        kind = type(self)
        name = class_name or kind.parse_class_name
        if not name:
            raise EngineError('PFObject: a class name is needed, for instance PFObject("Deal")')
        self._context = _context_of_new(name)
        self._state = LocalState(None, complete=True, new=True)
        if kind.parse_schema is None:
            for key, value in values.items():
                self[key] = value
        else:
            for attribute, value in values.items():
                if not isinstance(getattr(kind, attribute, None), PFField):
                    raise TypeError(
                        f"{kind.__name__}: there is no attribute {attribute!r}{did_you_mean(attribute, dir(kind))}"
                    )
                setattr(self, attribute, value)

    @classmethod
    def without_data(cls, class_name_or_id: str, object_id: str | None = None) -> Self:
        """A stub for a stored object: ``PFObject.without_data("Deal", id)`` or ``Deal.without_data(id)``."""
        name, identity = (
            (cls.parse_class_name, class_name_or_id) if object_id is None else (class_name_or_id, object_id)
        )
        if not name:
            raise EngineError("PFObject.without_data: give the class name first, then the objectId")
        return cls._stub(name, identity, None)

    @classmethod
    def _stub(cls, class_name: str, object_id: str, engine: Any) -> Self:
        stub = object.__new__(cls)
        stub._context = _context_of_stub(class_name) if engine is None else _stub_context(class_name, engine)
        stub._state = (object_id,)
        return stub

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """The object that a REST answer describes (``className`` is needed), complete, nothing pending.

        Objects that were included (``__type`` ``Object``), also in arrays and dictionaries, become objects too.
        """
        name = entry.get("className") or cls.parse_class_name
        obj = object.__new__(cls)
        obj._context = _context_of_new(name)
        state = obj._state = LocalState(None, complete=True)
        state.object_id = entry.get("objectId")
        for key in ("createdAt", "updatedAt"):
            if key in entry:
                given = entry[key]
                moment = decode_value({"__type": "Date", "iso": given} if isinstance(given, str) else given)
                setattr(state, "created_at" if key == "createdAt" else "updated_at", moment)
        for key, value in entry.items():
            if key not in SYSTEM_KEYS and key != "__type":
                state.server[key] = value if key == "ACL" else _with_objects(decode_value(value))
        return obj

    @classmethod
    def from_fields(cls, context: ResultContext, object_id: str | None, fields: Mapping[str, Value]) -> Self:
        """A complete object of stored values, the ACL as JSON under ``ACL``; new without an objectId."""
        obj = object.__new__(cls)
        obj._context = context
        state = LocalState(None, complete=True, new=object_id is None)
        state.object_id = object_id
        state.created_at, state.updated_at = fields.get("createdAt"), fields.get("updatedAt")
        state.server = {key: value for key, value in fields.items() if key not in SYSTEM_KEYS}
        obj._state = state
        return obj

    def relation(self, key: str) -> PFRelation[Any]:
        """The relation ``key``: add and remove members, query them. Needs an open engine, saved or not.

        Raises:
            EngineError: no engine is open here.
        """
        engine = self._context.shape.engine or current_binding().engine
        return engine.relation(self, key)  # type: ignore[no-any-return]

    # -- changing --------------------------------------------------------------------------------

    @property
    def object_id(self) -> str | None:
        """The objectId, ``None`` before the first save. It can be set once."""
        return self._identity()

    @object_id.setter
    def object_id(self, value: str) -> None:
        known = self._identity()
        if known is not None and known != value:
            raise EngineError(f"{self.class_name}: objectIds cannot be changed; make a new object")
        self._local().object_id = value

    @property
    def acl(self) -> PFACL | None:
        """A copy of the object's ACL, ``None`` for a public object. Assign it back to change it."""
        return self._own_acl()

    @acl.setter
    def acl(self, value: PFACL | None) -> None:
        if value is None:
            self.perform("ACL", Delete())
        else:
            self._put("ACL", value.to_json())

    def perform(self, key: str, operation: Operation) -> None:
        """Add a pending operation on ``key``; merged with one that is pending there already."""
        state = self._state
        if type(state) is not LocalState:
            state = self._local()
        after = operation.value if type(operation) is Set else apply(operation, self.raw(key))
        state.operations.perform(key, operation)
        state.estimated[key] = after
        if state.watcher is not None:
            state.watcher.changed(self)

    def _put(self, key: str, value: Value) -> None:
        """``perform`` of ``Set(value)``, which nearly all operations are."""
        if type(self).perform is not _PERFORM:
            self.perform(key, Set(value))
            return
        state = self._state
        if type(state) is not LocalState:
            state = self._local()
        state.operations.put(key, value)
        state.estimated[key] = value
        if state.watcher is not None:
            state.watcher.changed(self)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in _NOT_FIELDS:
            self._assign_system(key, value)
            return
        if type(value) not in _AS_THEY_ARE:
            value = _accept(value)
        if type(self).perform is not _PERFORM:  # a class with rules of its own
            self.perform(key, Set(value))
            return
        state = self._state  # as ``_put``, without its frame
        if type(state) is not LocalState:
            state = self._local()
        state.operations.put(key, value)
        state.estimated[key] = value
        if state.watcher is not None:
            state.watcher.changed(self)

    def _assign_system(self, key: str, value: Any) -> None:
        if key == "ACL":
            self.acl = value
        elif key == "objectId":
            self.object_id = value
        else:
            raise EngineError(f'{self.class_name}: "{key}" is set by the engine and cannot be assigned')

    def __delitem__(self, key: str) -> None:
        self.perform(key, Delete())

    def increment_key(self, key: str, by_amount: float = 1) -> None:
        """Add to a number; two savers' increments both count. A missing key counts as 0."""
        self.perform(key, Increment(by_amount))

    def add_object(self, item: Any, *, for_key: str) -> None:
        """Append to an array."""
        self.perform(for_key, Add((_accept(item),)))

    def add_objects(self, items: Iterable[Any], *, for_key: str) -> None:
        """Append several to an array."""
        self.perform(for_key, Add(tuple(_accept(item) for item in items)))

    def add_unique_object(self, item: Any, *, for_key: str) -> None:
        """Append to an array unless it is there."""
        self.perform(for_key, AddUnique((_accept(item),)))

    def add_unique_objects(self, items: Iterable[Any], *, for_key: str) -> None:
        """Append to an array those that are not there."""
        self.perform(for_key, AddUnique(tuple(_accept(item) for item in items)))

    def remove_object(self, item: Any, *, for_key: str) -> None:
        """Remove every occurrence from an array."""
        self.perform(for_key, Remove((_accept(item),)))

    def remove_objects(self, items: Iterable[Any], *, for_key: str) -> None:
        """Remove every occurrence of several from an array."""
        self.perform(for_key, Remove(tuple(_accept(item) for item in items)))

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to save: a new object, or pending operations."""
        state = self._state
        return isinstance(state, LocalState) and (state.new or bool(state.operations))

    def revert(self, key: str | None = None) -> None:
        """Drop the pending operations, all or those on ``key``."""
        state = self._state
        if not isinstance(state, LocalState):
            return
        gone = list(state.operations) if key is None else [key]
        for name in gone:
            state.operations.discard(name)
            state.estimated.pop(name, None)
        if gone and state.watcher is not None:
            state.watcher.changed(self)

    # -- the engine's verbs ----------------------------------------------------------------------

    def save(self) -> None:
        """Save the pending operations, unsaved objects it refers to first.

        Raises:
            ParseError: as Parse refuses the write; the pending operations stay.
            EngineError: no engine is open here.
        """
        binding = current_binding()
        binding.engine.save_objects([self], binding.principal)

    @staticmethod
    def save_all(objects: Iterable[PFObject]) -> None:
        """Save several objects and all they refer to.

        Raises:
            ParseError: the first object's error when it is alone; ``AggregateError`` with their positions else.
        """
        binding = current_binding()
        binding.engine.save_objects(list(objects), binding.principal)

    def delete(self) -> None:
        """Delete the object. ``ObjectNotFoundError`` (101) when it is gone or may not be written."""
        binding = current_binding()
        binding.engine.delete_objects([self], binding.principal)

    @staticmethod
    def delete_all(objects: Iterable[PFObject]) -> None:
        """Delete several objects; those without objectId are left out."""
        binding = current_binding()
        binding.engine.delete_objects(list(objects), binding.principal)

    def fetch(self, *include: str) -> Self:
        """Read the object anew; pending operations stay on top. ``include`` are include paths."""
        binding = current_binding()
        binding.engine.fetch_objects([self], binding.principal, include)
        return self

    def fetch_if_needed(self) -> Self:
        """Read the object unless all of it is here."""
        return self if self.is_data_available else self.fetch()

    @staticmethod
    def fetch_all(objects: Iterable[PFObject]) -> list[PFObject]:
        """Read several objects of one class anew."""
        given = list(objects)
        binding = current_binding()
        binding.engine.fetch_objects(given, binding.principal, ())
        return given

    # -- the local datastore -----------------------------------------------------------------------

    def pin(self, name: str | None = None) -> None:
        """Keep the object, and all that it refers to and of which there is data, in the local datastore.

        Raises:
            EngineError: no engine with a local datastore is open here.
        """
        PFObject.pin_all([self], name)

    @staticmethod
    def pin_all(objects: Iterable[PFObject], name: str | None = None) -> None:
        """Pin several objects, all or none. Raises what ``pin`` raises."""
        current_binding().engine.local_datastore.pin_all(objects, name)

    def unpin(self, name: str | None = None) -> None:
        """Take the object from a pin; it is kept while another pin or object leads to it. Raises as ``pin``."""
        PFObject.unpin_all([self], name)

    @staticmethod
    def unpin_all(objects: Iterable[PFObject], name: str | None = None) -> None:
        """Take several objects from a pin. Raises what ``pin`` raises."""
        current_binding().engine.local_datastore.unpin_all(objects, name)

    @staticmethod
    def unpin_all_objects(name: str | None = None) -> None:
        """Take every object from one pin, the default pin without a name; ``local_datastore.clear()`` takes all.

        Raises what ``pin`` raises.
        """
        current_binding().engine.local_datastore.unpin_all_objects(name)

    def fetch_from_local_datastore(self) -> Self:
        """Read the object from the local datastore; pending operations stay on top.

        Raises:
            CacheMissError: 120, it is not there.
            EngineError: no engine with a local datastore is open here.
        """
        current_binding().engine.local_datastore.fetch(self)
        return self

    # -- what the engine calls -------------------------------------------------------------------

    @property
    def local_state(self) -> LocalState | None:
        """The changeable half, ``None`` for an object that was never changed."""
        state = self._state
        return state if isinstance(state, LocalState) else None

    def stored_pointer(self) -> Pointer | None:
        """The pointer that is written for the object; ``None`` while it has no id, or something to be saved first."""
        state, shape = self._state, self._context.shape
        if type(state) is LocalState:
            identity = None if state.new or state.estimated else self._identity()
            if identity is None:
                return None
        else:
            identity = state[self._context.fields["objectId"][0]]
        pointer = NEW_POINTER(Pointer)
        PUT_CLASS(pointer, shape.class_name)
        PUT_ID(pointer, identity)
        return pointer

    @property
    def is_new(self) -> bool:
        """Whether the object was made here and not saved yet."""
        state = self._state
        return isinstance(state, LocalState) and state.new

    def begin_save(self) -> OperationSet:
        """What is pending now. It stays pending until ``saved``; what is done meanwhile survives that too."""
        return self._local().operations.snapshot()

    def remember(self) -> Callable[[], None]:
        """A call that makes the object what it is now: for a save whose transaction may still be rolled back."""
        state = self._local()
        kept = state.copy()

        def restore() -> None:
            state.become(kept)  # in place: others may share it
            self._state = state

        return restore

    def saved(self, operations: OperationSet, answer: Mapping[str, Value | Missing]) -> None:
        """Take in a successful save: ``answer`` holds objectId, dates and every key the server set."""
        state = self._settle(operations)
        for key, value in answer.items():
            if key in ("objectId", "createdAt", "updatedAt"):
                setattr(state, _SLOTS[key], value)
            else:
                state.server[key] = value
        if state.updated_at is None:
            state.updated_at = state.created_at
        state.new = False

    def saved_plainly(
        self, operations: OperationSet, now: datetime, created_as: str | None = None, acl: Value = None
    ) -> None:
        """``saved`` where the server set the dates, and objectId and ``acl`` of an object that it created."""
        state = self._settle(operations)
        state.updated_at = now
        if created_as is not None:
            state.object_id, state.created_at = created_as, now
        if acl is not None:
            state.server["ACL"] = acl
        state.new = False

    def _settle(self, operations: OperationSet) -> LocalState:
        """The values that ``operations`` led to are the server's now; what came after them stays pending."""
        state = self._local()
        if state.operations.is_exactly(operations):
            if state.server:
                state.server.update(state.estimated)
                state.estimated.clear()
            else:
                state.server, state.estimated = state.estimated, state.server
            state.operations.clear()
        else:
            for key in operations:
                if key in state.estimated and not state.operations.has_newer(key, operations):
                    state.server[key] = state.estimated.pop(key)
            state.operations.remove_saved(operations)
        return state

    def refresh_from(self, fresh: PFObject) -> None:
        """Become what ``fresh`` is, pending operations on top."""
        if self._context.shape.watcher is not None:
            self._local()  # found in the local datastore: what is pending there stays on top too
        old = self._state
        self._context, self._state = fresh._context, fresh._state
        if isinstance(old, LocalState) and old.operations:
            for key, operation in old.operations.items():
                self.perform(key, operation)
        if isinstance(old, LocalState) and old.node:
            self._local().node = old.node


_PERFORM: Final = PFObject.perform
# the slots' own setters, which ``map`` calls without a frame
_set_state: Callable[[Any, Any], None] = vars(ReadableObject)["_state"].__set__
_set_context: Callable[[Any, Any], None] = vars(ReadableObject)["_context"].__set__


def _with_objects(value: Any) -> Any:
    """A decoded value with included objects as objects, of the typed class that the current engine knows."""
    if isinstance(value, list):
        return list(map(_with_objects, value))
    if not isinstance(value, dict):
        return value
    name = value.get("className")
    if value.get("__type") != "Object" or not isinstance(name, str):
        return {key: _with_objects(item) for key, item in value.items()}
    binding = CURRENT.get()
    kind: type[PFObject] = PFObject if binding is None else binding.engine.class_for(name)
    return kind.from_json(value)


def _accept(value: Any, left: int = DEEPEST) -> Any:
    """A value that may be assigned: checked, dates in UTC, containers copied; objects stay objects until saved."""
    if not left and isinstance(value, list | tuple | Mapping):
        raise too_deep(DEEPEST)
    if isinstance(value, PFObject):
        return value
    if isinstance(value, datetime):
        if type(value) is datetime and value.tzinfo is UTC and not value.microsecond % 1000:
            return value
        return to_utc(value)
    if isinstance(value, list | tuple):
        return [_accept(item, left - 1) for item in value]
    if isinstance(value, Mapping):
        return {_key(key): _accept(item, left - 1) for key, item in value.items()}
    if hasattr(value, "__parse_value__"):
        return value.__parse_value__()
    kind_of(value)
    return value


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a Parse object has text keys, got {type(key).__name__}")
    return key


O = TypeVar("O", bound=PFObject)  # noqa: E741 - here, because a bound that is a text would be compiled
