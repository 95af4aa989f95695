"""Opening, locking, snapshots and closing, as callers of ``parsekit.open`` see them."""

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

import parsekit
from parsekit import EngineError, PFObject, PFQuery, StorageError
from parsekit.errors import EngineClosedError
from parsekit.schema import ClassSchema, Schema
from parsekit.storage import catalog as catalogs
from parsekit.storage.database import Database
from parsekit.storage.file_format import FORMAT_VERSION


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.db"


def _hold_write_lock(path):
    """Another process that holds the write lock until its standard input ends."""
    script = (
        "import sys, apsw; c = apsw.Connection(sys.argv[1]); c.execute('BEGIN IMMEDIATE'); "
        "print('held', flush=True); sys.stdin.read(); c.execute('ROLLBACK')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def _end(process):
    process.stdin.close()
    process.stdout.close()
    process.wait()


# --- what cannot be opened ---


def test_a_file_that_is_no_database(path):
    path.write_text("This is a letter, not a database. " * 50)
    with pytest.raises(StorageError, match="not a parsekit database") as caught:
        parsekit.open(path)
    assert str(path) in str(caught.value)
    assert path.read_text().startswith("This is a letter")


def test_another_applications_database(path):
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE songs (title)")
    other.close()
    with pytest.raises(StorageError, match="not one of parsekit's"):
        parsekit.open(path)
    other = apsw.Connection(str(path))
    assert other.execute("SELECT name FROM sqlite_schema").get == "songs"
    assert other.pragma("journal_mode") == "delete"
    other.close()


def test_a_newer_format(path):
    parsekit.open(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", FORMAT_VERSION + 1)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="upgrade parsekit"):
        parsekit.open(path)
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(StorageError, match="check that its folder exists"):
        parsekit.open(tmp_path / "nowhere" / "a.db")


def test_a_folder_in_the_place_of_the_file(tmp_path):
    with pytest.raises(StorageError):
        parsekit.open(tmp_path)


def test_read_only_needs_a_database(path):
    with pytest.raises(StorageError):
        parsekit.open(path, read_only=True)
    assert not path.exists()
    path.touch()
    with pytest.raises(StorageError, match="nothing to read"):
        parsekit.open(path, read_only=True)


def test_read_only_reads_and_refuses_to_write(path):
    with parsekit.open(path):
        PFObject("Note", title="a").save()
    with parsekit.open(path, read_only=True) as engine:
        assert PFQuery("Note").first()["title"] == "a"
        with pytest.raises(EngineError, match="read_only"):
            PFObject("Note", title="b").save()
        with pytest.raises(EngineError, match="read_only"):
            engine.compact()
        assert engine.check() == []


def test_what_failed_to_open_leaves_no_connection(path):
    path.write_text("not a database" * 100)
    before = {id(item) for item in gc.get_objects() if isinstance(item, apsw.Connection)}
    with pytest.raises(StorageError):
        parsekit.open(path)
    gc.collect()
    left = [item for item in gc.get_objects() if isinstance(item, apsw.Connection) and id(item) not in before]
    assert not left


# --- another process ---


def test_a_busy_database_waits_and_then_says_so(path):
    with parsekit.open(path, busy_timeout_s=0.05) as engine:
        note = PFObject("Note", title="a")
        note.save()
        process = _hold_write_lock(path)
        try:
            note["title"] = "b"
            with pytest.raises(StorageError, match="busy_timeout_s") as caught:
                note.save()
            assert caught.value.sqlite_code & 0xFF == apsw.SQLITE_BUSY
            assert note.dirty_keys
            assert PFQuery("Note").first()["title"] == "a"
        finally:
            _end(process)
        note.save()
        assert PFQuery("Note").first()["title"] == "b"
        assert engine.check() == []


def test_a_busy_database_is_waited_for(path):
    with parsekit.open(path, busy_timeout_s=60):
        PFObject("Note", title="a").save()
        process = _hold_write_lock(path)
        ender = threading.Timer(0.05, process.stdin.close)
        ender.start()
        PFObject("Note", title="b").save()
        ender.join()
        process.stdout.close()
        process.wait()
        assert PFQuery("Note").count() == 2


@pytest.mark.parametrize("attempt", range(20))
def test_several_engines_may_make_one_file_at_once(path, attempt):
    """Who looks while another one makes the file sees all of it or nothing, and waits for the switch to WAL."""
    barrier = threading.Barrier(6)

    def run():
        barrier.wait()
        return parsekit.open(path, busy_timeout_s=60)

    with ThreadPoolExecutor(6) as pool:
        engines = [future.result() for future in [pool.submit(run) for _ in range(6)]]
    assert engines[attempt % 6].check() == []
    for engine in engines:
        engine.close()


# --- transactions and snapshots ---


def test_nested_transactions_roll_back_one_by_one(path):
    with parsekit.open(path) as engine:
        with engine.transaction():
            PFObject("Note", n=1).save()
            with pytest.raises(ZeroDivisionError), engine.transaction():
                PFObject("Note", n=2, only_here=1).save()
                with engine.transaction():
                    PFObject("Note", n=3).save()
                raise ZeroDivisionError
            with engine.transaction():
                PFObject("Note", n=4).save()
        assert [note["n"] for note in PFQuery("Note").find()] == [1, 4]
        assert "only_here" not in engine.schema.get("Note").fields
        with pytest.raises(ZeroDivisionError), engine.transaction():
            PFObject("Fresh", n=5).save()
            raise ZeroDivisionError
        assert "Fresh" not in engine.schema
        assert engine.check() == []


def test_several_reads_see_one_state(path):
    with parsekit.open(path) as engine:
        PFObject("Note", n=1).save()
        with engine.store.snapshot():
            assert PFQuery("Note").count() == 1
            writer = threading.Thread(target=_save_as_master, args=(engine,))
            writer.start()
            writer.join(timeout=60)
            assert PFQuery("Note").count() == 1
        assert PFQuery("Note").count() == 2


def _save_as_master(engine):
    with engine.acting_as_master():
        PFObject("Note", n=2).save()


def test_streaming_ends_while_others_insert(path):
    with parsekit.open(path):
        PFObject.save_all([PFObject("Note", n=number) for number in range(50)])
        seen = 0
        for note in PFQuery("Note").each(batch_size=10):
            PFObject("Note", n=note["n"] + 100).save()
            seen += 1
        assert seen == 50
        assert PFQuery("Note").count() == 100


def test_a_failed_statement_in_a_caught_savepoint_does_not_end_the_transaction(path):
    with parsekit.open(path) as engine:
        with engine.transaction():
            PFObject("Note", n=1).save()
            with pytest.raises(StorageError, match="syntax error"), engine.store.write() as connection:
                connection.execute("not sql")
            PFObject("Note", n=2).save()
        assert PFQuery("Note").count() == 2


def test_a_transaction_that_sqlite_ended_is_not_gone_on_with(path):
    """What an I/O error does in the middle of a transaction: everything is rolled back, whoever catches it."""
    with parsekit.open(path) as engine:
        PFObject("Note", n=0).save()
        with pytest.raises(StorageError, match="rolled all of it back"), engine.transaction():
            PFObject("Note", n=1).save()
            engine.store.database.writer.execute("ROLLBACK")
            with pytest.raises(StorageError, match="rolled all of it back"):
                PFObject("Note", n=2).save()
        assert [note["n"] for note in PFQuery("Note").find()] == [0]
        PFObject("Note", n=3).save()
        assert PFQuery("Note").count() == 2
        assert engine.check() == []


# --- connections ---


def test_each_thread_reads_on_a_connection_of_its_own(path):
    parsekit.open(path).close()
    database = Database(path)
    mine = database.reader()
    assert database.reader() is mine
    others = []
    thread = threading.Thread(target=lambda: others.append(database.reader() is mine))
    thread.start()
    thread.join()
    assert others == [False]
    with database.write() as writer:
        assert database.reader() is writer
    assert database.reader() is mine
    database.close()


def test_a_thread_takes_its_connection_with_it(path):
    parsekit.open(path).close()
    database = Database(path)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(weakref.ref(database.reader())))
    thread.start()
    thread.join()
    gc.collect()
    assert seen[0]() is None
    database.close()


def test_closing_twice_and_using_what_is_closed(path):
    engine = parsekit.open(path)
    with engine.acting_as_master():
        note = PFObject("Note", title="a")
        note.save()
        engine.close()
        engine.close()
        assert note["title"] == "a"
        with pytest.raises(EngineClosedError):
            PFQuery("Note").find()
        with pytest.raises(EngineClosedError):
            note["title"] = "b"
            note.save()
    assert sorted(item.name for item in path.parent.iterdir()) == ["a.db"]


def test_closing_inside_a_transaction_is_refused(path):
    with parsekit.open(path) as engine:
        with pytest.raises(EngineError, match="inside a transaction"), engine.transaction():
            engine.close()
        PFObject("Note").save()


def test_a_wal_that_grows_is_copied_back(path):
    with parsekit.open(path) as engine:
        for _ in range(30):
            PFObject.save_all([PFObject("Note", text="x" * 2000) for _ in range(100)])
        for _ in range(1_000):
            try:
                engine.store.database.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                break
            except apsw.BusyError:  # the thread that copies is at it
                threading.Event().wait(0.01)
        assert path.stat().st_size > 5_000_000
    assert not Path(f"{path}-wal").exists()


# --- in memory ---


def test_memory_is_private_and_leaves_nothing():
    with parsekit.open(":memory:") as first, parsekit.open(":memory:") as second:
        folders = [Path(engine.store.database.path).parent for engine in (first, second)]
        PFObject("Note").save()
        assert PFQuery("Note").count() == 1
        with first.acting_as_master():
            assert PFQuery("Note").count() == 0
        assert all(folder.exists() for folder in folders)
    assert not any(folder.exists() for folder in folders)


def test_memory_that_is_never_closed_leaves_nothing():
    script = "import parsekit; engine = parsekit.open(); print(engine.store.database.path)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).parent.exists()


def test_memory_has_snapshots():
    with parsekit.open(":memory:") as engine:
        PFObject("Note", n=1).save()
        counts = []

        def count():
            with engine.acting_as_master():
                counts.append(PFQuery("Note").count())

        with engine.transaction():
            PFObject("Note", n=2).save()
            thread = threading.Thread(target=count)
            thread.start()
            thread.join(timeout=60)
        assert counts == [1]


# --- the catalog ---


def test_a_catalog_read_while_another_engine_commits_never_passes_for_the_newer_one(path):
    """A class that appears between two statements of the reading is in the catalog, or its generation is older."""
    with parsekit.open(path) as engine, parsekit.open(path) as other:
        reader = engine.store.database.reader()
        statements = 0

        def between(*_):
            nonlocal statements
            statements += 1
            if statements == 2:
                other.apply_schema(Schema([ClassSchema.new("Latecomer")]))
            return True

        reader.exec_trace = between
        seen = catalogs.load(reader)
        reader.exec_trace = None
        assert statements >= 2
        assert seen.layout("Latecomer") is not None or seen.generation < catalogs.read_generation(reader)
