"""Files come, are read and go: their names, their stores and the hooks around them (parse_server.md C9).

The hooks are registered for ``PFFile``. One before a save may change the file's name, metadata and tags or return
another file, one that is stored already among them; one before a find may name another file, one after it may
exchange the bytes. Serving files over HTTP is ``server.files``' affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from parsekit.cloud import FileRequest
from parsekit.errors import FileDeleteError, ObjectNotFoundError
from parsekit.file import PFFile, StoredFile, check_file_name, unique_file_name
from parsekit.values import FileReference

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine

__all__ = ["Filing"]

_CLASS: Final = PFFile.parse_class_name


@final
class Filing:
    """The files of an engine, under the principal that asks."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def save(self, file: PFFile, principal: Principal, *, keep_name: bool = False) -> PFFile:
        """Keep a new file; the one that is kept, which a hook may have put in its place.

        ``keep_name`` leaves the name as it is (``preserveFileName``) and replaces a file of that name.

        Raises:
            FileNameError: 122.
            ParseError: as a hook raised it.
        """
        request = self._request("beforeSave", file, principal, size=len(file.stored.data))
        kept = self._run(request, principal)
        if kept.is_dirty:
            check_file_name(kept.name)
            name = kept.name if keep_name else unique_file_name(kept.name)
            if kept.directory is not None:
                name = f"{kept.directory}/{name}"
            self._engine.files.save(name, kept.stored)
            kept.keep_as(name)
        if kept is not file:
            file.keep_as(kept.name, kept.url)
        self._run(self._request("afterSave", kept, principal, size=request.file_size), principal)
        return kept

    def read(self, name: str, principal: Principal) -> tuple[StoredFile, FileRequest]:
        """A file, and the request of its hooks, which may ask for headers or for a download.

        Raises:
            ObjectNotFoundError: 101, there is none.
            ParseError: as a hook raised it.
        """
        file = PFFile.from_reference(FileReference(name))
        asked = self._run(self._request("beforeFind", file, principal), principal)
        stored = self._engine.files.read(asked.name)
        request = self._request("afterFind", asked, principal, size=len(stored.data))
        shown = self._run(request, principal)
        if shown is not asked:
            stored = shown.stored if shown.is_dirty else self._engine.files.read(shown.name)
        request.file = shown
        return stored, request

    def delete(self, name: str, principal: Principal) -> None:
        """Remove a file.

        Raises:
            FileDeleteError: 153, it is not there.
            ParseError: as a hook raised it.
        """
        file = PFFile.from_reference(FileReference(name))
        self._run(self._request("beforeDelete", file, principal), principal)
        try:
            self._engine.files.delete(name)
        except ObjectNotFoundError as error:
            raise FileDeleteError("Could not delete file.") from error
        self._run(self._request("afterDelete", file, principal), principal)

    def _request(
        self, trigger: str, file: PFFile, principal: Principal, *, size: int | None = None
    ) -> FileRequest:
        hooks = self._engine.hooks
        return FileRequest(caller=hooks.caller(principal), trigger_name=trigger, file=file, file_size=size)

    def _run(self, request: FileRequest, principal: Principal) -> PFFile:
        cloud = self._engine.cloud
        if not cloud.has(request.trigger_name, _CLASS):
            return request.file
        with self._engine.acting_as(principal):
            returned = cloud.run(request.trigger_name, _CLASS, request)
        return returned if isinstance(returned, PFFile) else request.file
