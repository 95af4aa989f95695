"""The reading half of ``PFObject``: identity, values, ACL and JSON, over a row or over a changed object's state.

A value is decoded when its key is read. Nothing here changes what the object holds; ``object`` adds that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from parsekit._context import CURRENT
from parsekit.acl.acl import PFACL
from parsekit.codec import encode_value, format_date, format_ms
from parsekit.errors import DataNotAvailableError, InvalidPointerError, MissingKeyError, did_you_mean
from parsekit.object_state import CONTAINER, ONLY_ID, PLAIN, SYSTEM_KEYS, LocalState, ResultContext
from parsekit.values import (
    MISSING,
    FileReference,
    Missing,
    Pointer,
    RelationReference,
    Value,
    date_from_ms,
)

__all__ = ["ReadableObject"]

_NOTHING: Final[Mapping[str, Any]] = {}
_NOT_AMONG_FIELDS: Final = SYSTEM_KEYS | {"ACL"}


class ReadableObject:
    """An object of a class as far as it can be read. ``PFObject`` is its only subclass."""

    __slots__ = ("__weakref__", "_context", "_state")

    _state: tuple[Any, ...] | LocalState
    _context: ResultContext

    # -- identity --------------------------------------------------------------------------------

    @property
    def class_name(self) -> str:
        """The Parse class."""
        return self._context.shape.class_name

    @property
    def object_id(self) -> str | None:
        """The objectId, ``None`` before the first save."""
        return self._identity()

    def _identity(self) -> str | None:
        state = self._state
        if type(state) is not LocalState:
            found: str = state[self._context.fields["objectId"][0]]
            return found
        if state.object_id is None and state.row is not None:
            return str(state.row[self._context.fields["objectId"][0]])
        return state.object_id

    @property
    def created_at(self) -> datetime | None:
        """When the object was created, in UTC; ``None`` before the first save."""
        return self._time("createdAt", "created_at")

    @property
    def updated_at(self) -> datetime | None:
        """When the object was last saved, in UTC; ``None`` before the first save."""
        return self._time("updatedAt", "updated_at")

    def _time(self, key: str, slot: str) -> datetime | None:
        state = self._state
        row: tuple[Any, ...] | None
        if isinstance(state, LocalState):
            known: datetime | None = getattr(state, slot)
            if known is not None or state.row is None:
                return known
            row = state.row
        else:
            row = state
        entry = self._context.fields.get(key)
        return None if entry is None else date_from_ms(row[entry[0]])

    def __parse_pointer__(self) -> Pointer:
        identity = self._identity()
        if identity is None:
            raise InvalidPointerError(
                "Tried to save an object with a new, unsaved child.",
                code=-1,
                hint=f"save the {self.class_name} first, then refer to it",
            )
        return Pointer(self._context.shape.class_name, identity)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, ReadableObject):
            return NotImplemented
        if (
            isinstance(self._state, LocalState) and self._state is other._state
        ):  # one object of the local datastore
            return True
        identity = self.object_id
        return identity is not None and identity == other.object_id and self.class_name == other.class_name

    def __hash__(self) -> int:
        identity = self.object_id
        if identity is None:
            raise TypeError(f"unhashable object: this {self.class_name} has no objectId yet; save it first")
        return hash((self.class_name, identity))

    @property
    def dirty_keys(self) -> list[str]:
        """The keys with pending operations."""
        state = self._state
        return list(state.operations) if isinstance(state, LocalState) else []

    def __repr__(self) -> str:
        dirty = self.dirty_keys
        tail = f", unsaved: {', '.join(dirty)}" if dirty else ""
        return f"<{type(self).__name__} {self.class_name} {self.object_id or 'new'}{tail}>"

    # -- reading ---------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        state = self._state
        if type(state) is tuple:
            entry = self._context.fields.get(key)
            if entry is not None:
                stored = state[entry[0]]
                if stored is not None:
                    decode = entry[1]
                    if decode is None:
                        return stored
                    if entry[2] == PLAIN and key not in ("createdAt", "updatedAt"):
                        value = decode(stored)
                        if value is not MISSING:
                            return value
        value = self._lookup(key)
        if value is MISSING:
            raise self._absent(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, ``default`` when the object does not have it.

        Raises:
            DataNotAvailableError: the object is partial and the key was not fetched.
        """
        value = self._lookup(key)
        if value is not MISSING:
            return value
        if not self.is_data_available_for_key(key):
            raise self._absent(key)
        return default

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._lookup(key) is not MISSING

    def _lookup(self, key: str) -> Any:
        state, context = self._state, self._context
        if key in SYSTEM_KEYS:
            return self._system(key)
        if key == "ACL":
            return self.acl if self.acl is not None else MISSING
        if isinstance(state, LocalState):
            if key in state.estimated:
                value = state.estimated[key]
                return value if isinstance(value, ReadableObject) else self._present(key, value)
            if key in state.server:
                value = state.server[key]
                return value if isinstance(value, ReadableObject) else self._present(key, value)
            if state.row is None:
                return MISSING
            return self._present(key, context.read(key, state.row))
        return self._present(key, context.read(key, state))

    def _system(self, key: str) -> Any:
        value = {
            "objectId": self.object_id,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "className": self.class_name,
        }[key]
        return MISSING if value is None else value

    def _present(self, key: str, value: Value | Missing) -> Any:
        """A stored value as the caller sees it: pointers as objects, included ones complete, dangling ones absent."""
        if isinstance(value, Pointer):
            return self._object_for(key, value)
        if isinstance(value, list):
            items = [self._present(key, item) for item in value]
            return [item for item in items if item is not MISSING] if self._includes(key) else items
        if isinstance(value, dict):
            included = self._context.included
            if not included:
                return {name: self._present(f"{key}.{name}", item) for name, item in value.items()}
            found = {name: self._present(f"{key}.{name}", item) for name, item in value.items()}
            return {name: item for name, item in found.items() if item is not MISSING}
        if isinstance(value, RelationReference | FileReference):
            binding = CURRENT.get()
            engine = self._context.shape.engine or (None if binding is None else binding.engine)
            if engine is not None:
                return (
                    engine.relation(self, key) if isinstance(value, RelationReference) else engine.file(value)
                )
        return value

    def _includes(self, key: str) -> bool:
        included = self._context.included
        return included is not None and key in included

    def _object_for(self, key: str, pointer: Pointer) -> Any:
        included = self._context.included
        if included is not None and key in included:
            return included[key].get(pointer.class_name, _NOTHING).get(pointer.object_id, MISSING)
        shape = self._context.shape
        return shape.classes(pointer.class_name)._stub(pointer.class_name, pointer.object_id, shape.engine)

    def _absent(self, key: str) -> Exception:
        if not self.is_data_available_for_key(key):
            return DataNotAvailableError(
                f'{self.class_name} {self.object_id}: Key "{key}" has no data.  Call fetchIfNeeded before getting '
                "its value. (here: obj.fetch_if_needed(), or leave it out of select_keys)"
            )
        known = [*self._context.fields, *self.keys()]
        return MissingKeyError(
            f'{self.class_name} {self.object_id or "(new)"}: has no value for "{key}"{did_you_mean(key, known)}; '
            f'read it with .get("{key}") to have None instead'
        )

    def keys(self) -> list[str]:
        """The keys that hold a value, pending changes included; never objectId, createdAt, updatedAt."""
        state = self._state
        if isinstance(state, LocalState):
            base = [] if state.row is None else self._context.keys(state.row)
            names = dict.fromkeys([*base, *state.server, *state.estimated])
            found = [key for key in names if self.raw(key) is not MISSING]
        else:
            found = self._context.keys(state)
        names_only = [key for key in found if key not in SYSTEM_KEYS and key != "ACL"]
        return [*names_only, "ACL"] if self.acl is not None else names_only

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def raw(self, key: str) -> Value | Missing:
        """The value with pointers as ``Pointer`` where they were read, for encoding and saving."""
        state = self._state
        if isinstance(state, LocalState):
            if key in state.estimated:
                return state.estimated[key]
            if key in state.server:
                return state.server[key]
            return MISSING if state.row is None else self._context.read(key, state.row)
        return self._context.read(key, state)

    @property
    def context(self) -> ResultContext:
        """What the object shares with the other objects of its result."""
        return self._context

    def hide(self, keys: frozenset[str]) -> None:
        """Forget the values of ``keys``: the principal may not see them."""
        gone = [key for key in keys if self.raw(key) is not MISSING]
        if not gone:
            return
        state = self._local()
        if state.row is not None:
            kept = {key: self.raw(key) for key in self._context.keys(state.row) if key not in keys}
            identity, created, updated, acl = self.object_id, self.created_at, self.updated_at, self.acl
            state.object_id, state.created_at, state.updated_at = identity, created, updated
            state.row = None
            state.server = {key: value for key, value in kept.items() if key not in SYSTEM_KEYS}
            if acl is not None:
                state.server["ACL"] = acl.to_json()
        for key in keys:
            state.server.pop(key, None)

    @property
    def is_data_available(self) -> bool:
        """Whether every key of the object is known here."""
        state = self._state
        return state.complete if isinstance(state, LocalState) else self._context.complete

    def is_data_available_for_key(self, key: str) -> bool:
        """Whether ``key`` may be read here (the object is complete, or the key was fetched or set)."""
        if self.is_data_available or key in SYSTEM_KEYS or key in self._context.fields:
            return True
        state = self._state
        return isinstance(state, LocalState) and (key in state.estimated or key in state.server)

    # -- ACL -------------------------------------------------------------------------------------

    @property
    def acl(self) -> PFACL | None:
        """A copy of the object's ACL, ``None`` for a public object."""
        return self._own_acl()

    def _own_acl(self) -> PFACL | None:
        state, context = self._state, self._context
        row: tuple[Any, ...] | None
        if isinstance(state, LocalState):
            for source in (state.estimated, state.server):
                if "ACL" in source:
                    entry = source["ACL"]
                    return PFACL.from_json(entry) if isinstance(entry, Mapping) else None
            row = state.row
        else:
            row = state
        shape = context.shape
        if row is None or shape.acl_at < 0 or shape.acl_of is None:
            return None
        entry = shape.acl_of(row[shape.acl_at])
        return None if entry is None else PFACL.from_json(entry)

    def _local(self) -> LocalState:
        state = self._state
        if isinstance(state, LocalState):
            return state
        local = LocalState(state, complete=self._context.complete)
        watcher = self._context.shape.watcher
        if watcher is not None:
            local = watcher.state_of(self, local)  # type: ignore[arg-type]
        self._state = local
        return local

    # -- JSON ------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The object as a REST answer shows it, pending changes included, with ``className`` and ``__type``."""
        return {"__type": "Object", "className": self.class_name, **self.to_fields_json()}

    def to_fields_json(self) -> dict[str, Any]:
        """The object as a row of a REST result."""
        if not isinstance(self._state, LocalState):
            return self._row_json(self._state)
        entry: dict[str, Any] = {}
        if self.object_id is not None:
            entry["objectId"] = self.object_id
        for key, moment in (("createdAt", self.created_at), ("updatedAt", self.updated_at)):
            if moment is not None:
                entry[key] = format_date(moment)
        for key in self.keys():
            if key == "ACL":
                acl = self.acl
                if acl is not None:
                    entry["ACL"] = acl.to_json()
                continue
            value = self._lookup(key)
            if value is not MISSING:
                entry[key] = _encode(value)
        if self.class_name == "_Hooks" and (hooked := self.raw("className")) is not MISSING:
            entry["className"] = hooked  # the one class that has a field of this name
        return entry

    def _row_json(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """``to_fields_json`` of an object as it was read, without making objects of what it merely refers to."""
        context, included = self._context, self._context.included
        fields, read, shape = context.fields, context.read, context.shape
        entry: dict[str, Any] = {}
        if "objectId" in fields:
            entry["objectId"] = row[fields["objectId"][0]]
        for key in ("createdAt", "updatedAt"):
            if key in fields:
                entry[key] = format_ms(row[fields[key][0]])
        for key, (place, decode, kind) in fields.items():
            if key in _NOT_AMONG_FIELDS:
                continue
            stored = row[place]
            if decode is None and type(stored) is str:
                entry[key] = stored
            elif decode is date_from_ms and stored is not None:
                entry[key] = {"__type": "Date", "iso": format_ms(stored)}
            elif included is not None and (kind == CONTAINER or key in included):
                if (shown := self._lookup(key)) is not MISSING:
                    entry[key] = _encode(shown)
            elif (value := read(key, row)) is not MISSING:
                entry[key] = encode_value(value)
        for key, target in shape.relations.items():
            entry[key] = {"__type": "Relation", "className": target}
        acl = None if shape.acl_at < 0 or shape.acl_of is None else shape.acl_of(row[shape.acl_at])
        if isinstance(acl, Mapping):  # stored ACLs have the form in which they are shown
            entry["ACL"] = {name: dict(rights) for name, rights in acl.items()}
        if shape.class_name == "_Hooks" and (hooked := read("className", row)) is not MISSING:
            entry["className"] = encode_value(hooked)
        return entry


def _encode(value: Any) -> Any:
    if isinstance(value, ReadableObject):
        if value.is_data_available and value.object_id is not None:
            return value.to_json()
        if isinstance(value._state, LocalState) or not value.is_data_available:
            partial = bool(value._context.fields) and value._context.fields is not ONLY_ID
            return value.to_json() if partial else encode_value(value.__parse_pointer__())
        return value.to_json()
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    return encode_value(value)
