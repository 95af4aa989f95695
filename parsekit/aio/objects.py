"""Awaited verbs of objects and files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from parsekit.aio.running import Running
from parsekit.file import PFFile
from parsekit.object import PFObject

__all__ = ["ObjectVerbs"]

O = TypeVar("O", bound=PFObject)  # noqa: E741 - an object


class ObjectVerbs(Running):
    """What can be done with objects. Each verb answers and raises as the method of ``PFObject`` of the same name.

    An object that is being saved is not to be changed meanwhile.
    """

    async def save(self, obj: O) -> O:
        """Save the pending operations, unsaved objects it refers to first; the object."""
        await self.run(obj.save, write=True)
        return obj

    async def save_all(self, objects: Iterable[PFObject]) -> None:
        """Save several objects and all they refer to."""
        given = list(objects)
        await self.run(lambda: PFObject.save_all(given), write=True)

    async def delete(self, obj: PFObject) -> None:
        """Delete the object."""
        await self.run(obj.delete, write=True)

    async def delete_all(self, objects: Iterable[PFObject]) -> None:
        """Delete several objects; those without objectId are left out."""
        given = list(objects)
        await self.run(lambda: PFObject.delete_all(given), write=True)

    async def fetch(self, obj: O, *include: str) -> O:
        """Read the object anew; pending operations stay on top."""
        return await self.run(lambda: obj.fetch(*include))

    async def fetch_if_needed(self, obj: O) -> O:
        """Read the object unless all of it is here."""
        return obj if obj.is_data_available else await self.fetch(obj)

    async def fetch_all(self, objects: Iterable[O]) -> list[O]:
        """Read several objects of one class anew."""
        given = list(objects)
        await self.run(lambda: PFObject.fetch_all(given))
        return given

    async def save_file(self, file: PFFile) -> PFFile:
        """Keep the bytes of a file; the file."""
        await self.run(file.save, write=True)
        return file

    async def get_data(self, file: PFFile) -> bytes:
        """The bytes of a file."""
        return await self.run(file.get_data)

    async def delete_file(self, file: PFFile) -> None:
        """Remove the bytes of a file."""
        await self.run(file.delete, write=True)
