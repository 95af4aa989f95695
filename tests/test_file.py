"""``PFFile`` and where its bytes are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

import parsekit
from parsekit import PFObject, PFQuery
from parsekit.cloud import FileRequest
from parsekit.errors import (
    FileDeleteError,
    FileNameError,
    ObjectNotFoundError,
    ParseError,
    UnsavedFileError,
)
from parsekit.file import DirectoryFiles, PFFile, StoredFile


@pytest.mark.parametrize("in_folder", [False, True])
def test_bytes_come_back(tmp_path: Path, in_folder: bool) -> None:
    files = DirectoryFiles(tmp_path / "files") if in_folder else None
    path = tmp_path / "app.db"
    with parsekit.open(path, files=files):
        file = PFFile("a.txt", b"hello", content_type="text/plain")
        assert file.is_dirty
        file.save()
        PFObject("Note", doc=file).save()
        assert (file.is_dirty, len(file.name)) == (False, 32 + 1 + 5)
    with parsekit.open(path, files=files):
        read = PFQuery("Note").first()["doc"]
        assert isinstance(read, PFFile)
        assert (read.name, read.get_data()) == (file.name, b"hello")
        read.delete()
        with pytest.raises(ObjectNotFoundError):
            PFFile.from_reference(read.__parse_value__()).get_data()
        with pytest.raises(FileDeleteError):
            read.delete()


def test_a_rolled_back_transaction_keeps_no_file() -> None:
    with parsekit.open() as engine:
        file = PFFile("a.txt", b"hello")
        with pytest.raises(RuntimeError), engine.transaction():
            file.save()
            raise RuntimeError
        with pytest.raises(ObjectNotFoundError):
            engine.files.read(file.name)


def test_an_unsaved_file_is_not_assigned() -> None:
    with pytest.raises(UnsavedFileError):
        PFObject("Note", doc=PFFile("a.txt", b""))


@pytest.mark.parametrize(
    "name", ["", "../a", "a/", "/b", "a//b", "metadata/b", ".a/b", ".hidden", "a\x00b", "ä.txt", "x" * 129]
)
def test_names_are_checked(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNameError):
        PFFile(name, b"")
    with pytest.raises(FileNameError):
        DirectoryFiles(tmp_path).save(name, StoredFile(b""))


@pytest.mark.parametrize("in_folder", [False, True])
def test_metadata_tags_and_directories(tmp_path: Path, in_folder: bool) -> None:
    with parsekit.open(files=DirectoryFiles(tmp_path) if in_folder else None) as engine:
        file = PFFile("a.txt", b"1", metadata={"by": "ada"}, tags={"t": "x"}, directory="in/voices")
        file.save()
        assert file.name.startswith("in/voices/")
        again = PFFile.from_reference(file.__parse_value__())
        assert (again.get_data(), again.metadata, again.tags) == (b"1", {"by": "ada"}, {"t": "x"})
        engine.files.save(file.name, StoredFile(b"2"))
        assert engine.files.read(file.name) == StoredFile(b"2")
        file.delete()
        engine.files.save(file.name, StoredFile(b"3"))
        assert dict(engine.files.read(file.name).metadata) == {}


def test_hooks_of_files() -> None:
    seen: list[str] = []
    with parsekit.open() as engine:

        @engine.cloud.before_save(PFFile)
        def rename(request: FileRequest) -> PFFile:
            seen.append(f"{request.trigger_name} {request.file_size}")
            return PFFile("other.txt", b"other", metadata={"was": request.file.name})

        @engine.cloud.after_save(PFFile)
        def after(request: FileRequest) -> None:
            seen.append(f"{request.trigger_name} {request.file.name[33:]}")

        @engine.cloud.before_delete(PFFile)
        def keep(_request: FileRequest) -> None:
            raise ParseError("files stay", code=119)

        file = PFFile("a.txt", b"hello")
        file.save()
        assert engine.files.read(file.name).data == b"other"
        assert seen == ["beforeSave 5", "afterSave other.txt"]
        with pytest.raises(ParseError, match="files stay"):
            file.delete()
