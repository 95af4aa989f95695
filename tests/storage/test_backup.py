"""Backup, restore, compaction and pruning."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

import parsekit
from parsekit import EngineError, PFObject, PFQuery, StorageError
from parsekit.cli import main
from parsekit.engine.upkeep import restore
from parsekit.storage import journal
from parsekit.storage.journal import JournalLimits


@pytest.fixture
def path(tmp_path):
    with parsekit.open(tmp_path / "a.db"):
        PFObject("Note", n=1).save()
    return tmp_path / "a.db"


def _numbers(path):
    with parsekit.open(path) as engine:
        assert engine.check() == []
        return [note["n"] for note in PFQuery("Note").order_by_ascending("n").find()]


def test_a_backup_is_taken_while_others_write(path, tmp_path):
    copies = []
    with parsekit.open(path) as engine:

        def copy():
            for number in range(5):
                copies.append(engine.backup(tmp_path / f"{number}.db"))

        thread = threading.Thread(target=copy)
        thread.start()
        for number in range(2, 80):
            PFObject("Note", n=number).save()
        thread.join()
        last = engine.last_sequence
    for copy in copies:
        found = _numbers(copy.path)
        assert found == list(range(1, copy.sequence + 1))
        assert copy.sequence <= last
    assert sorted(item.name for item in tmp_path.iterdir()) == [*(f"{n}.db" for n in range(5)), "a.db"]


def test_a_backup_overwrites_nothing_without_consent(path, tmp_path):
    target = tmp_path / "b.db"
    with parsekit.open(path) as engine:
        engine.backup(target)
        PFObject("Note", n=2).save()
        with pytest.raises(EngineError, match="there already"):
            engine.backup(target)
        assert _numbers(target) == [1]
        engine.backup(target, overwrite=True)
        assert _numbers(target) == [1, 2]
        letter = tmp_path / "letter.txt"
        letter.write_text("Dear Ada")
        with pytest.raises(EngineError, match="not a parsekit database"):
            engine.backup(letter, overwrite=True)
        assert letter.read_text() == "Dear Ada"
        with pytest.raises(StorageError):
            engine.backup(tmp_path / "nowhere" / "b.db")


def test_memory_can_be_backed_up(tmp_path):
    with parsekit.open() as engine:
        PFObject("Note", n=7).save()
        engine.backup(tmp_path / "a.db")
    assert _numbers(tmp_path / "a.db") == [7]


def test_restore_puts_a_backup_in_place(path, tmp_path):
    backup = tmp_path / "b.db"
    with parsekit.open(path) as engine:
        engine.backup(backup)
        PFObject("Note", n=2).save()
        with pytest.raises(StorageError, match="somebody has it open"):
            restore(backup, path, overwrite=True)
        assert PFQuery("Note").count() == 2
    with pytest.raises(EngineError, match="there already"):
        restore(backup, path)
    assert _numbers(path) == [1, 2]
    restore(backup, path, overwrite=True)
    assert _numbers(path) == [1]
    restore(backup, tmp_path / "new.db")
    assert _numbers(tmp_path / "new.db") == [1]


def test_restore_refuses_what_is_no_sound_backup(path, tmp_path):
    with pytest.raises(EngineError, match="no such file"):
        restore(tmp_path / "none.db", path, overwrite=True)
    with pytest.raises(EngineError, match="same file"):
        restore(path, path, overwrite=True)
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Ada, " * 500)
    with pytest.raises(StorageError, match="not a parsekit database"):
        restore(letter, path, overwrite=True)
    damaged = tmp_path / "damaged.db"
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\x55" * (len(content) - 4096 * 3)
    damaged.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        restore(damaged, path, overwrite=True)
    assert _numbers(path) == [1]


def test_compaction_gives_space_back(path):
    with parsekit.open(path, journal_limits=JournalLimits(days=0, entries=10)) as engine:
        PFObject.save_all([PFObject("Big", text="x" * 5000) for _ in range(300)])
        PFObject.delete_all(PFQuery("Big").limit(1000).find())
        done = engine.compact()
        assert done.pruned > 500
        assert done.after_bytes < done.before_bytes / 4
        assert engine.check() == []
        with engine.transaction(), pytest.raises(EngineError, match="inside a transaction"):
            engine.compact()
    assert _numbers(path) == [1]


class Clock:
    def __init__(self):
        self.now = datetime(2024, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


def _kept(engine):
    return [entry.sequence for entry in journal.entries(engine.store.database.reader(), 0)]


def test_pruning_keeps_whichever_is_more():
    clock = Clock()
    with parsekit.open(clock=clock, journal_limits=JournalLimits(days=7, entries=10)) as engine:
        for _ in range(30):
            PFObject("Note").save()
        assert engine.compact().pruned == 0
        clock.now += timedelta(days=8)
        for _ in range(5):
            PFObject("Note").save()
        assert engine.compact().pruned == 25
        assert _kept(engine) == list(range(26, 36))
        clock.now += timedelta(days=1)
        for _ in range(12):
            PFObject("Note").save()
        assert engine.compact().pruned == 5
        assert _kept(engine) == list(range(31, 48))
        assert engine.check() == []


def test_pruning_leaves_no_holes():
    """A clock that is set back: young and old entries mix."""
    clock = Clock()
    limits = JournalLimits(days=7, entries=1)
    with parsekit.open(clock=clock, journal_limits=limits) as engine, engine.acting_as_master():
        for days in (0, 100, 0, 100, 100):
            moment = clock.now - timedelta(days=days)
            connection = engine.store.database.writer
            journal.append(connection, moment, "Note", f"x{days}", "delete", {}, None)
        with engine.store.write() as connection:
            assert journal.prune(connection, int(clock.now.timestamp() * 1000), limits) == 0
            later = int((clock.now + timedelta(days=8)).timestamp() * 1000)
            assert journal.prune(connection, later, limits, at_most=2) == 2
            assert journal.prune(connection, later, limits) == 2
        assert _kept(engine) == [5]


def test_a_save_now_and_then_prunes():
    clock = Clock()
    with parsekit.open(clock=clock, journal_limits=JournalLimits(days=1, entries=5)) as engine:
        engine.store.every(10, engine.upkeep.prune_some)
        for _ in range(100):
            PFObject("Note").save()
            clock.now += timedelta(days=1)
        assert len(_kept(engine)) <= 16


def test_the_commands(path, tmp_path, capsys):
    target = tmp_path / "b.db"
    assert main(["backup", str(path), str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sequence"] == 1
    assert main(["backup", str(path), str(target)]) == 1
    assert "there already" in capsys.readouterr().err
    assert main(["restore", str(target), str(path), "--overwrite"]) == 0
    assert main(["compact", str(path)]) == 0
    assert "journal entries pruned" in capsys.readouterr().out
    assert main(["compact", str(tmp_path / "none.db")]) == 1
    assert not (tmp_path / "none.db").exists()
