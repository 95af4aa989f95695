"""Disk full, I/O errors and power loss: the error is clear, nothing is half written, the database goes on."""

import random

import apsw
import pytest

import parsekit
from parsekit import PFObject, PFQuery, StorageError
from tests.storage.vfs import FailingVFS, PowerLossVFS, in_use

FAULTS = [
    pytest.param(apsw.FullError, ("write",), "disk is full", id="full"),
    pytest.param(apsw.IOError, ("write",), "I/O error", id="write"),
    pytest.param(apsw.IOError, ("sync",), "I/O error", id="sync"),
]


def _titles():
    return {obj["title"] for obj in PFQuery("Note").limit(1000).find()}


@pytest.mark.parametrize(("error", "calls", "text"), FAULTS)
@pytest.mark.parametrize("after", [0, 1, 2, 3, 5, 8])
def test_a_failing_disk_leaves_nothing_half_written(tmp_path, error, calls, text, after):
    with in_use(FailingVFS()) as vfs:
        with parsekit.open(tmp_path / "a.db", synchronous="FULL") as engine:
            PFObject("Note", title="first").save()
            saved, failures = {"first"}, 0
            vfs.fail(error, calls, after)
            for number in range(12):
                notes = [PFObject("Note", title=f"{number}-{part}", body="x" * 3000) for part in "ab"]
                try:
                    PFObject.save_all(notes)
                except StorageError as refusal:
                    failures += 1
                    assert text in str(refusal)
                    assert str(tmp_path) in str(refusal)
                    assert not refusal.written
                    assert all(note.object_id is None and note.dirty_keys for note in notes)
                else:
                    saved |= {note["title"] for note in notes}
                assert _titles() == saved
            assert failures
            vfs.recover()
            assert engine.check() == []
            PFObject("Note", title="last").save()
            assert _titles() == saved | {"last"}
        with parsekit.open(tmp_path / "a.db") as engine:
            assert engine.check() == []
            assert _titles() == saved | {"last"}


def test_an_io_error_in_the_middle_of_a_transaction_cannot_be_caught_away(tmp_path):
    """SQLite rolls everything back then; what comes after in the block must not be written on its own."""
    with in_use(FailingVFS()) as vfs, parsekit.open(tmp_path / "a.db") as engine:
        PFObject("Note", title="first", body="").save()
        engine.store.database.writer.pragma("cache_size", 5)  # so that pages are written before the commit
        with pytest.raises(StorageError), engine.transaction():
            PFObject("Note", title="second", body="x" * 50_000).save()
            vfs.fail(apsw.IOError, ("write",), 0)
            with pytest.raises(StorageError, match="I/O error"):
                PFObject("Note", title="third", body="x" * 200_000).save()
            vfs.recover()
            PFObject("Note", title="fourth", body="").save()
        assert vfs.failed
        assert _titles() == {"first"}
        assert engine.check() == []
        PFObject("Note", title="fifth", body="").save()
        assert _titles() == {"first", "fifth"}


def test_a_checkpoint_that_fails_fails_no_save(tmp_path):
    """The commit is in the WAL by then. Enough is written for both ways of copying it back."""
    with in_use(FailingVFS()) as vfs:
        with parsekit.open(tmp_path / "a.db", journal=False) as engine:
            vfs.fail(apsw.IOError, ("write", "sync"), 0, suffix="a.db")
            for number in range(45):
                PFObject.save_all(
                    [PFObject("Note", title=f"{number}-{n}", body="x" * 100_000) for n in range(16)]
                )
            assert vfs.failed
            assert PFQuery("Note").count() == 45 * 16
            vfs.recover()
            assert engine.check() == []
        with parsekit.open(tmp_path / "a.db") as engine:
            assert PFQuery("Note").count() == 45 * 16


def test_a_failing_backup_leaves_no_copy(tmp_path):
    with in_use(FailingVFS()) as vfs, parsekit.open(tmp_path / "a.db") as engine:
        PFObject("Note", title="x" * 50_000).save()
        vfs.fail(apsw.FullError, ("write",), 3)
        with pytest.raises(StorageError, match="disk is full"):
            engine.backup(tmp_path / "b.db")
        vfs.recover()
        assert [path.name for path in tmp_path.glob("*b.db*")] == []
        assert engine.backup(tmp_path / "b.db").sequence == 1


def _survivors(path):
    with parsekit.open(path) as engine:
        assert engine.check() == []
        return _titles() if "Note" in engine.schema else set()


@pytest.mark.parametrize("seed", range(6))
def test_full_synchronous_survives_power_loss(tmp_path, seed):
    """Whatever the disk kept of what was not synced: every acknowledged save is there, and nothing is torn."""
    lot = random.Random(seed)
    (tmp_path / "live").mkdir()
    lost = []
    with (
        in_use(PowerLossVFS()) as vfs,
        parsekit.open(tmp_path / "live" / "a.db", synchronous="FULL") as engine,
    ):
        acknowledged = set()
        for number in range(40):
            note = PFObject("Note", title=f"{number}", body="x" * lot.randrange(4000))
            note.save()
            acknowledged.add(note["title"])
            if number % 10 == 5:
                engine.store.database.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if lot.random() < 0.25:
                folder = tmp_path / f"lost{number}"
                folder.mkdir()
                vfs.surviving(folder, lot)
                lost.append((folder, set(acknowledged)))
    assert lost
    for folder, expected in lost:
        assert _survivors(folder / "a.db") == expected


def test_normal_synchronous_may_lose_the_last_saves_and_is_never_torn(tmp_path):
    lot = random.Random(7)
    (tmp_path / "live").mkdir()
    lost = []
    with (
        in_use(PowerLossVFS()) as vfs,
        parsekit.open(tmp_path / "live" / "a.db", synchronous="NORMAL") as engine,
    ):
        titles = []
        for number in range(60):
            PFObject("Note", title=f"{number}", body="x" * lot.randrange(4000)).save()
            titles.append(f"{number}")
            if number == 30:
                engine.store.database.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                kept = len(titles)
            if number > 30 and number % 6 == 0:
                folder = tmp_path / f"lost{number}"
                folder.mkdir()
                vfs.surviving(folder, lot)
                lost.append(folder)
    for folder in lost:
        found = _survivors(folder / "a.db")
        assert found == set(titles[: len(found)])
        assert len(found) >= kept
