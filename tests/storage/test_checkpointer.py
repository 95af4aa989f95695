"""The thread that copies the WAL, and how the WAL starts again under commits without a pause."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import apsw
import pytest

from parsekit.storage.checkpointer import Checkpointer
from parsekit.storage.database import Database


def test_the_thread_copies_what_is_there(tmp_path: Path):
    path = str(tmp_path / "a.db")
    writer = apsw.Connection(path)
    writer.pragma("journal_mode", "wal")
    writer.wal_autocheckpoint(0)
    writer.execute("CREATE TABLE t (x BLOB)")
    with writer:
        writer.executemany("INSERT INTO t VALUES (zeroblob(4000))", [() for _ in range(200)])
    checkpointer = Checkpointer(path)
    checkpointer.written = 203
    try:
        checkpointer.wake()
        pause = threading.Event()
        while not checkpointer.copied:
            pause.wait(0.001)
    finally:
        checkpointer.stop()
    pages, copied = writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    assert checkpointer.copied == copied == pages
    writer.close()


def test_the_wal_starts_again_when_little_is_left_to_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Checkpointer, "wake", lambda _: None)
    database = Database(tmp_path / "a.db", synchronous="OFF")
    with database.write() as connection:
        connection.execute("CREATE TABLE t (x BLOB)")
    pages: list[int] = []
    after_commit = database._after_commit

    def note(connection: apsw.Connection, schema: str, size: int) -> int:
        pages.append(size)
        checkpointer = database._checkpointer
        if checkpointer is not None:
            checkpointer.copied = size - 100  # as if the thread were quick
        return after_commit(connection, schema, size)

    database.writer.set_wal_hook(note)
    for _ in range(120):
        with database.write() as connection:
            connection.executemany("INSERT INTO t VALUES (zeroblob(4000))", [() for _ in range(50)])
    assert max(pages) < 3_200  # 6,000 pages were written
    assert any(after < before for before, after in pairwise(pages))
    database.close()
