"""The two engines behind one set of verbs, so that one suite can hold both to law L9.

``SyncSide`` calls, ``AsyncSide`` awaits in an event loop of its own and in one context, as one task would.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from typing import Any, Protocol

import parsekit
import parsekit.aio
from parsekit import PFObject, PFQuery, PFUser, Principal


class Side(Protocol):
    """The verbs of the suite."""

    name: str

    def find(self, query: PFQuery[Any]) -> list[Any]: ...
    def first(self, query: PFQuery[Any]) -> Any: ...
    def get(self, query: PFQuery[Any], object_id: str) -> Any: ...
    def count(self, query: PFQuery[Any]) -> int: ...
    def each(self, query: PFQuery[Any]) -> list[Any]: ...
    def distinct(self, query: PFQuery[Any], key: str) -> list[Any]: ...
    def aggregate(self, query: PFQuery[Any], pipeline: Sequence[Mapping[str, Any]]) -> list[Any]: ...
    def save(self, *objects: PFObject) -> None: ...
    def delete(self, *objects: PFObject) -> None: ...
    def fetch(self, obj: PFObject, *include: str) -> PFObject: ...
    def sign_up(self, username: str, password: str) -> PFUser: ...
    def log_in(self, username: str, password: str) -> PFUser: ...
    def become(self, token: str) -> PFUser: ...
    def log_out(self) -> None: ...
    def current(self) -> str | None: ...
    def call(self, name: str, params: Mapping[str, Any]) -> Any: ...
    def in_transaction(self, *steps: Callable[[Side], Any]) -> None: ...
    def acting_as(self, who: Any) -> contextlib.AbstractContextManager[Any]: ...
    def relation(self, obj: PFObject, key: str) -> Any: ...
    def engine(self) -> parsekit.ParseEngine: ...
    def close(self) -> None: ...


class SyncSide:
    name = "sync"

    def __init__(self, **options: Any) -> None:
        self._engine = parsekit.open(**options)
        self._engine.__enter__()

    def find(self, query: PFQuery[Any]) -> list[Any]:
        return query.find()

    def first(self, query: PFQuery[Any]) -> Any:
        return query.first()

    def get(self, query: PFQuery[Any], object_id: str) -> Any:
        return query.get(object_id)

    def count(self, query: PFQuery[Any]) -> int:
        return query.count()

    def each(self, query: PFQuery[Any]) -> list[Any]:
        return list(query.each(batch_size=3))

    def distinct(self, query: PFQuery[Any], key: str) -> list[Any]:
        return query.distinct(key)

    def aggregate(self, query: PFQuery[Any], pipeline: Sequence[Mapping[str, Any]]) -> list[Any]:
        return query.aggregate(pipeline)

    def save(self, *objects: PFObject) -> None:
        PFObject.save_all(objects)

    def delete(self, *objects: PFObject) -> None:
        PFObject.delete_all(objects)

    def fetch(self, obj: PFObject, *include: str) -> PFObject:
        return obj.fetch(*include)

    def sign_up(self, username: str, password: str) -> PFUser:
        return PFUser.sign_up(username, password=password)

    def log_in(self, username: str, password: str) -> PFUser:
        return PFUser.log_in(username, password)

    def become(self, token: str) -> PFUser:
        return PFUser.become(token)

    def log_out(self) -> None:
        PFUser.log_out()

    def current(self) -> str | None:
        user = PFUser.current()
        return None if user is None else user.object_id

    def call(self, name: str, params: Mapping[str, Any]) -> Any:
        binding = parsekit._context.current_binding()
        return self._engine.hooks.call_function(name, params, binding.principal, {})

    def in_transaction(self, *steps: Callable[[Side], Any]) -> None:
        with self._engine.transaction():
            for step in steps:
                step(self)

    def acting_as(self, who: Any) -> contextlib.AbstractContextManager[Any]:
        return self._engine.acting_as(who)

    def relation(self, obj: PFObject, key: str) -> Any:
        return obj.relation(key)

    def engine(self) -> parsekit.ParseEngine:
        return self._engine

    def close(self) -> None:
        self._engine.__exit__(None, None, None)


class AsyncSide:
    name = "async"

    def __init__(self, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._context = copy_context()
        self._engine = parsekit.aio.open(**options)
        self._stack = contextlib.AsyncExitStack()
        self._run(self._stack.enter_async_context(self._engine))

    def _run(self, awaited: Any) -> Any:
        return self._runner.run(awaited, context=self._context)

    def find(self, query: PFQuery[Any]) -> list[Any]:
        return self._run(self._engine.find(query))  # type: ignore[no-any-return]

    def first(self, query: PFQuery[Any]) -> Any:
        return self._run(self._engine.first(query))

    def get(self, query: PFQuery[Any], object_id: str) -> Any:
        return self._run(self._engine.get(query, object_id))

    def count(self, query: PFQuery[Any]) -> int:
        return self._run(self._engine.count(query))  # type: ignore[no-any-return]

    def each(self, query: PFQuery[Any]) -> list[Any]:
        async def walk() -> list[Any]:
            return [obj async for obj in self._engine.each(query, batch_size=3)]

        return self._run(walk())  # type: ignore[no-any-return]

    def distinct(self, query: PFQuery[Any], key: str) -> list[Any]:
        return self._run(self._engine.distinct(query, key))  # type: ignore[no-any-return]

    def aggregate(self, query: PFQuery[Any], pipeline: Sequence[Mapping[str, Any]]) -> list[Any]:
        return self._run(self._engine.aggregate(query, pipeline))  # type: ignore[no-any-return]

    def save(self, *objects: PFObject) -> None:
        self._run(self._engine.save_all(objects))

    def delete(self, *objects: PFObject) -> None:
        self._run(self._engine.delete_all(objects))

    def fetch(self, obj: PFObject, *include: str) -> PFObject:
        return self._run(self._engine.fetch(obj, *include))  # type: ignore[no-any-return]

    def sign_up(self, username: str, password: str) -> PFUser:
        return self._run(self._engine.sign_up(username, password=password))  # type: ignore[no-any-return]

    def log_in(self, username: str, password: str) -> PFUser:
        return self._run(self._engine.log_in(username, password))  # type: ignore[no-any-return]

    def become(self, token: str) -> PFUser:
        return self._run(self._engine.become(token))  # type: ignore[no-any-return]

    def log_out(self) -> None:
        self._run(self._engine.log_out())

    def current(self) -> str | None:
        user = self._context.run(lambda: self._engine.current_user)
        return None if user is None else user.object_id

    def call(self, name: str, params: Mapping[str, Any]) -> Any:
        return self._run(self._engine.call_function(name, params))

    def in_transaction(self, *steps: Callable[[Side], Any]) -> None:
        async def all_of_it() -> None:
            async with self._engine.transaction():
                inside = _Inside(self._engine)
                for step in steps:
                    step(inside)  # type: ignore[arg-type]
                    await inside.done()

        self._run(all_of_it())

    @contextlib.contextmanager
    def acting_as(self, who: Any) -> Iterator[None]:
        """In the side's own context, as its task."""
        block = self._engine.acting_as(who)
        self._context.run(block.__enter__)
        try:
            yield
        finally:
            self._context.run(block.__exit__, None, None, None)

    def relation(self, obj: PFObject, key: str) -> Any:
        return self._context.run(obj.relation, key)

    def engine(self) -> parsekit.ParseEngine:
        return self._engine.sync

    def close(self) -> None:
        self._run(self._stack.aclose())
        self._runner.close()


class _Inside:
    """The side within a running task: verbs are noted and awaited by it one after another."""

    def __init__(self, engine: parsekit.aio.AsyncParseEngine) -> None:
        self._engine = engine
        self._noted: list[Any] = []

    def save(self, *objects: PFObject) -> None:
        self._noted.append(lambda: self._engine.save_all(objects))

    def delete(self, *objects: PFObject) -> None:
        self._noted.append(lambda: self._engine.delete_all(objects))

    async def done(self) -> None:
        noted, self._noted = self._noted, []
        for act in noted:
            await act()


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives, or how it is refused, in a form that can be compared between engines."""
    try:
        return shown(action())
    except parsekit.ParsekitError as error:
        return type(error).__name__, getattr(error, "code", None), str(error)


def shown(value: Any) -> Any:
    """A result without identity: objects as their JSON."""
    if isinstance(value, PFObject):
        return value.to_fields_json()
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return value


MASTER = Principal.master()
