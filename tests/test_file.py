"""``PFFile`` and where its bytes are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

import parsekit
from parsekit import PFObject, PFQuery
from parsekit.errors import FileNameError, ObjectNotFoundError, UnsavedFileError
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
        with pytest.raises(ObjectNotFoundError):
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


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a\x00b", "ä.txt", "x" * 129])
def test_names_are_checked(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNameError):
        PFFile(name, b"")
    with pytest.raises(FileNameError):
        DirectoryFiles(tmp_path).save(name, StoredFile(b""))
