"""What is imported, or made, with its first use, so that a process which does not need it does not wait for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

__all__ = ["Module", "Part", "names_from"]

T = TypeVar("T")


def names_from(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package whose names live in its modules: ``homes`` has the names of each.

    No name may be that of one of the package's modules.
    """

    def named(name: str) -> Any:
        home = next((module for module, names in homes.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return named


class Module:
    """A module that is imported when it is first asked for something."""

    def __init__(self, name: str) -> None:
        self._imported_as = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._imported_as), name)
        setattr(self, name, value)
        return value


class Part(Generic[T]):
    """An attribute that is made with its first use, once, whichever threads use it first.

    The object has a lock, ``parts_lock``, which one thread may take several times.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, whole: Any, owner: type | None = None) -> T:
        with whole.parts_lock:
            made = whole.__dict__
            if self._name not in made:
                made[self._name] = self._make(whole)
            part: T = made[self._name]
            return part
