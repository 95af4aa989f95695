"""Saving, deleting and fetching ``PFObject``s: the object graph on one side, single writes on the other.

A save walks from the given objects to every unsaved object that they refer to and saves those first, all in one
transaction; each object is a savepoint of its own, so that one failure leaves the others saved, as with Parse's
batches. A failed save keeps the object's pending operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from parsekit.engine.effects import learned_from
from parsekit.engine.pointers import LEAVES, plain_operations, state_identity
from parsekit.engine.views import PrincipalView
from parsekit.engine.write import Write
from parsekit.errors import (
    AggregateError,
    EngineError,
    InvalidPointerError,
    MissingObjectIdError,
    ObjectNotFoundError,
    ParseError,
)
from parsekit.object import PFObject
from parsekit.operations import OperationSet
from parsekit.query.ast import Constraint
from parsekit.query.state import QueryState
from parsekit.values import Missing, Pointer, Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine
    from parsekit.storage.database import Connection

__all__ = ["Saving"]

_BATCH: Final = 500
"""So many creations share a statement; what is made on the way is let go after each."""
_Pending: TypeAlias = tuple[PFObject, OperationSet]
_Done: TypeAlias = tuple[PFObject, OperationSet, dict[str, "Value | Missing"]]
"""A saved object, what was sent of it, and what it learns from the answer."""


@final
class Saving:
    """Carries object graphs through the write path."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    # -- save ------------------------------------------------------------------------------------

    def save(self, objects: Sequence[PFObject], principal: Principal) -> None:
        """Save ``objects`` and what they refer to."""
        ordered = _children_first(objects)
        if not ordered:
            return
        engine = self._engine
        pending = [(obj, obj.begin_save()) for obj in ordered]
        failures: list[tuple[PFObject, ParseError]] = []
        with engine.store.write() as connection:
            view = engine.view(principal)
            done = self._save_together(connection, pending, view)
            if done is None:
                done, failures = self._save_each(connection, pending, view)
            if engine.store.database.is_nested:
                engine.outbox.undo_with([obj.remember() for obj, _, _ in done])
            local = engine.local
            if local is not None:
                engine.outbox.call_later(lambda: local.saved([obj for obj, _, _ in done]))
        for obj, operations, answer in done:
            obj.saved(operations, answer)
        engine.after_commit()
        if failures:
            raise _failure(objects, failures)

    def _save_together(
        self, connection: Connection, pending: Sequence[_Pending], view: PrincipalView
    ) -> list[_Done] | None:
        """Save all without a savepoint for each; ``None``, and nothing is written, when one fails.

        One object needs no second attempt: its failure is the caller's. Nor is there one where hooks would run twice.
        """
        if len(pending) > 1 and not self._engine.cloud.is_empty:
            return None
        if len(pending) == 1:
            return [self._write(connection, *pending[0], view, {})]
        fresh: dict[int, Pointer] = {}
        done: list[_Done] = []
        try:
            with self._engine.store.write():
                for class_name, alike in groupby(pending, _class_of_creation):
                    if class_name is not None and self._engine.writes.can_create_many(class_name):
                        while part := list(islice(alike, _BATCH)):
                            done += self._create_many(connection, class_name, part, view, fresh)
                    else:
                        done += [self._write(connection, obj, todo, view, fresh) for obj, todo in alike]
        except ParseError:
            return None
        return done

    def _create_many(
        self,
        connection: Connection,
        class_name: str,
        pending: Sequence[_Pending],
        view: PrincipalView,
        fresh: dict[int, Pointer],
    ) -> list[_Done]:
        new_id, writes = self._engine.options.new_id, self._engine.writes
        named: list[tuple[str, PFObject, OperationSet]] = []
        for obj, operations in pending:
            self._check_engine(obj)
            named.append((obj.object_id or new_id(), obj, operations))

        def drafts(plain: Callable[[OperationSet], OperationSet]) -> Iterator[tuple[str, OperationSet]]:
            for identity, obj, operations in named:
                yield identity, plain(operations)
                fresh[state_identity(obj)] = Pointer(class_name, identity)

        def pointer_of(value: Value) -> Pointer | None:
            if not isinstance(value, PFObject):
                return None
            return fresh.get(state_identity(value)) or value.__parse_pointer__()

        made = writes.create_many_plainly(connection, class_name, drafts(lambda each: each), view, pointer_of)
        if made is not None:
            at, acls = made
            return [
                (
                    obj,
                    todo,
                    {"updatedAt": at, "objectId": identity, "createdAt": at}
                    | ({} if acl is None else {"ACL": acl}),
                )
                for (identity, obj, todo), acl in zip(named, acls, strict=True)
            ]
        plain = list(drafts(lambda each: plain_operations(each, fresh)))
        written = writes.create_many(connection, class_name, plain, view)
        return [(obj, todo, _answer(write)) for (obj, todo), write in zip(pending, written, strict=True)]

    def _save_each(
        self, connection: Connection, pending: Sequence[_Pending], view: PrincipalView
    ) -> tuple[list[_Done], list[tuple[PFObject, ParseError]]]:
        """Save each in a savepoint of its own, so that those that fail leave the others saved."""
        done: list[_Done] = []
        failures: list[tuple[PFObject, ParseError]] = []
        fresh: dict[int, Pointer] = {}
        for obj, operations in pending:
            try:
                with self._engine.store.write():
                    done.append(self._write(connection, obj, operations, view, fresh))
            except ParseError as error:
                failures.append((obj, error))
        return done, failures

    def _write(
        self,
        connection: Connection,
        obj: PFObject,
        operations: OperationSet,
        view: PrincipalView,
        fresh: dict[int, Pointer],
    ) -> _Done:
        self._check_engine(obj)
        plain = plain_operations(operations, fresh)
        writes = self._engine.writes
        identity = obj.object_id
        if identity is None or obj.is_new:
            write = writes.create(connection, obj.class_name, plain, view, object_id=identity)
            fresh[state_identity(obj)] = Pointer(write.class_name, write.object_id)
        else:
            write = writes.update(connection, obj.class_name, identity, plain, view)
        return obj, operations, _answer(write)

    def _check_engine(self, obj: PFObject) -> None:
        engine = obj.context.shape.engine
        if engine is not None and engine is not self._engine:
            raise EngineError(
                f"{obj.class_name} {obj.object_id}: it was read from another engine; make a new object with its values"
            )

    # -- delete ----------------------------------------------------------------------------------

    def delete(self, objects: Sequence[PFObject], principal: Principal) -> None:
        """Delete ``objects``; those without objectId are left out, doubles are deleted once."""
        stored = list(dict.fromkeys(obj for obj in objects if obj.object_id is not None))
        if not stored:
            if objects:
                raise MissingObjectIdError("object has no objectId; save it before deleting it")
            return
        failures: list[tuple[PFObject, ParseError]] = []
        gone: list[Pointer] = []
        local = self._engine.local
        with self._engine.store.write() as connection:
            view = self._engine.view(principal)
            if local is not None:
                self._engine.outbox.call_later(lambda: local.deleted(gone))
            for obj in stored:
                self._check_engine(obj)
                try:
                    with self._engine.store.write():
                        self._engine.writes.delete(connection, obj.class_name, str(obj.object_id), view)
                    gone.append(obj.__parse_pointer__())
                except ParseError as error:
                    if len(stored) == 1:
                        raise
                    failures.append((obj, error))
        self._engine.after_commit()
        if failures:
            raise _failure(objects, failures)

    # -- fetch -----------------------------------------------------------------------------------

    def fetch(self, objects: Sequence[PFObject], principal: Principal, include: tuple[str, ...]) -> None:
        """Read ``objects`` anew, one query a class."""
        self._fetch(objects, principal, include)
        if self._engine.local is not None:
            self._engine.local.saved(objects)

    def _fetch(self, objects: Sequence[PFObject], principal: Principal, include: tuple[str, ...]) -> None:
        by_class: dict[str, list[PFObject]] = {}
        for obj in objects:
            if obj.object_id is None:
                raise MissingObjectIdError("Can't refresh an object that hasn't been saved to the server.")
            by_class.setdefault(obj.class_name, []).append(obj)
        for class_name, group in by_class.items():
            if len(group) == 1:
                state = QueryState(class_name, include=include) if include else None
                fresh = self._engine.get_object(
                    class_name, str(group[0].object_id), principal, type(group[0]), state
                )
                group[0].refresh_from(fresh)
                continue
            ids = tuple(dict.fromkeys(str(obj.object_id) for obj in group))
            state = QueryState(
                class_name, Constraint("objectId", "$in", ids), include=include, limit=len(ids)
            )
            found = {obj.object_id: obj for obj in self._engine.find_objects(state, principal)}
            for obj in group:
                if obj.object_id not in found:
                    raise ObjectNotFoundError("Object not found on the server.")
                obj.refresh_from(found[obj.object_id])


def _class_of_creation(pending: _Pending) -> str | None:
    """The class of an object that is new, ``None`` for one that is not."""
    obj = pending[0]
    return obj.class_name if obj.object_id is None or obj.is_new else None


def _answer(write: Write) -> dict[str, Value | Missing]:
    """What the object learns from its save."""
    answer = learned_from(write)
    answer["updatedAt"] = write.now
    if write.creating:
        answer["objectId"] = write.object_id
        answer["createdAt"] = write.now
    return answer


def _failure(objects: Sequence[PFObject], failures: list[tuple[PFObject, ParseError]]) -> ParseError:
    first = failures[0][1]
    if len(objects) == 1:
        return first
    places = {id(obj): place for place, obj in enumerate(objects)}
    error = AggregateError(
        f"{len(failures)} of {len(objects)} objects failed; the first says: {first.message}",
        hint="the others are saved; .errors holds (index, error) pairs",
    )
    error.errors = [(places.get(id(obj), -1), reason) for obj, reason in failures]
    return error


def _children_first(objects: Sequence[PFObject]) -> list[PFObject]:
    """Every dirty object that ``objects`` reach, each after the new objects that it refers to.

    Raises:
        InvalidPointerError: 106, new objects refer to each other in a circle.
    """
    if not any(map(_leads_on, objects)):
        return [obj for obj in {state_identity(obj): obj for obj in objects}.values() if obj.is_dirty]
    ordered: list[PFObject] = []
    seen: set[int] = set()

    def visit(obj: PFObject, path: frozenset[int]) -> None:
        identity = state_identity(obj)
        if identity in path:
            if obj.object_id is None:
                raise InvalidPointerError(
                    "Found a circular dependency when saving.",
                    hint="save one of the objects first without the pointer, then set it",
                )
            return
        if identity in seen:
            return
        seen.add(identity)
        below = path | {identity} if obj.object_id is None else frozenset({identity})
        for child in _referred(obj):
            visit(child, below)
        if obj.is_dirty:
            ordered.append(obj)

    for obj in objects:
        visit(obj, frozenset())
    return ordered


def _leads_on(obj: PFObject) -> bool:
    """Whether a save of ``obj`` may have to save another object first."""
    for child in _referred(obj):
        state = child.local_state
        if state is not None and (state.new or state.estimated):
            return True
    return False


def _referred(obj: PFObject) -> list[PFObject]:
    state = obj.local_state
    if state is None:
        return []
    found: list[PFObject] = []
    for key, value in state.estimated.items():
        if type(value) not in LEAVES and key != "ACL":
            _objects_in(value, found)
    return found


def _objects_in(value: Any, found: list[PFObject]) -> None:
    if isinstance(value, PFObject):
        found.append(value)
    elif isinstance(value, list | tuple):
        for item in value:
            _objects_in(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _objects_in(item, found)
