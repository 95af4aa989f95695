"""An import that is killed goes on after its last committed batch, and ends as if it had never been stopped."""

import random
import signal
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

import parsekit
from parsekit import PFQuery, schema_from_json
from parsekit.errors import RefusedInputError
from parsekit.interchange import Record, export_file, import_file, import_files, import_objects

DOCUMENT = {
    "classes": [
        {
            "className": "Thing",
            "fields": {
                "text": {"type": "String"},
                "number": {"type": "Number"},
                "day": {"type": "Date"},
                "items": {"type": "Array"},
                "about": {"type": "Pointer", "targetClass": "Thing"},
                "friends": {"type": "Relation", "targetClass": "Thing"},
            },
        }
    ]
}
SCHEMA = schema_from_json(DOCUMENT)
BATCH = 25
COUNT = 1_000

IMPORT = f"""
import sys, parsekit
from parsekit import schema_from_json
from parsekit.interchange import import_file
with parsekit.open(sys.argv[1], schema=schema_from_json({DOCUMENT!r})) as engine, engine.acting_as_master():
    report = import_file(engine, sys.argv[2], batch_size={BATCH}, progress=lambda n: print(n, flush=True))
    print(report.to_json(), flush=True)
"""


def pointer(number):
    return {"__type": "Pointer", "className": "Thing", "objectId": f"t{number}"}


def things():
    start = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(COUNT):
        moment = (start + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entry = {
            "objectId": f"t{number}",
            "createdAt": moment,
            "updatedAt": moment,
            "text": f"text {number}",
            "items": [number, {"deep": [None, True]}],
            "about": pointer(COUNT - number - 1),
        }
        if number % 3 == 0:
            entry["ACL"] = {f"user{number % 7}": {"read": True}}
        if number % 5 == 0:
            entry["friends"] = {"__op": "AddRelation", "objects": [pointer(number // 2), pointer(number)]}
        yield Record("Thing", entry)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The same objects in each form."""
    folder = tmp_path_factory.mktemp("exported")
    with parsekit.open(schema=SCHEMA) as engine, engine.acting_as_master():
        import_objects(engine, things())
        for form in ("json", "jsonl", "csv"):
            export_file(engine, folder / f"Thing.{form}", [PFQuery("Thing")])
    return folder


def started(database, file):
    return subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(database), str(file)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_a_killed_import_goes_on_where_it_was(exported, form, tmp_path):
    file, database = exported / f"Thing.{form}", tmp_path / "a.db"
    lot, told, kills = random.Random(form), 0, 0
    while True:
        last = told + BATCH * lot.randrange(3, 22)
        with started(database, file) as process:
            for line in process.stdout:
                if line.strip().isdigit():
                    assert told < int(line) <= told + BATCH * 2  # a batch may be committed and never told of
                    told = int(line)
                    if told >= last:
                        process.kill()
            if process.wait(60) == 0:
                break
            assert process.returncode == -signal.SIGKILL
            kills += 1
    assert kills >= 2
    with parsekit.open(database) as engine, engine.acting_as_master():
        assert engine.check() == []
        copy = tmp_path / f"Thing.{form}"
        assert export_file(engine, copy, [PFQuery("Thing")]) == {"Thing": COUNT}
        assert copy.read_bytes() == file.read_bytes()
        assert engine.last_sequence == COUNT  # nothing was written twice


class Stop(Exception):
    """Somebody stops the import."""


def stop_at(most):
    def progress(handled):
        if handled >= most:
            raise Stop

    return progress


def test_objects_without_ids_are_not_doubled_and_the_report_is_of_all(tmp_path):
    file = tmp_path / "Note.csv"
    file.write_text("n\n" + "".join(f"{number}\n" for number in range(100)))
    with parsekit.open() as engine, engine.acting_as_master():
        for most in (30, 60):
            with pytest.raises(Stop):
                import_file(engine, file, batch_size=10, progress=stop_at(most))
            assert PFQuery("Note").count() == most
        assert import_file(engine, file, batch_size=10).created == {"Note": 100}
        assert PFQuery("Note").count() == 100
        assert import_file(engine, file).created == {"Note": 100}  # complete: once more is another import
        assert PFQuery("Note").count() == 200


def test_several_files_go_on_in_the_one_that_was_stopped(tmp_path):
    files = [tmp_path / f"{name}.jsonl" for name in ("A", "B", "C")]
    for file in files:
        file.write_text('{"n": 1}\n' * 20)

    def imported(engine, progress=None):
        return import_files(engine, files, class_name="Note", batch_size=10, progress=progress)

    files[1].write_text('{"n": 2}\n' * 20)
    files[2].write_text('{"n": 3}\n' * 20)
    with parsekit.open() as engine, engine.acting_as_master():
        with pytest.raises(Stop):
            imported(engine, stop_at(30))
        assert PFQuery("Note").count() == 30
        heard = []
        assert imported(engine, heard.append).created == {"Note": 60}
        assert heard == [40, 50, 60]
        assert [PFQuery("Note").where_key("n", equal_to=n).count() for n in (1, 2, 3)] == [20, 20, 20]


def test_a_file_that_was_changed_is_another_import(tmp_path):
    file = tmp_path / "Note.jsonl"
    lines = [f'{{"objectId": "n{number}", "n": {number}}}\n' for number in range(40)]
    file.write_text("".join(lines))
    with parsekit.open() as engine, engine.acting_as_master():
        with pytest.raises(Stop):
            import_file(engine, file, class_name="Note", batch_size=10, progress=stop_at(20))
        file.write_text("".join(["not an object\n", *lines]))
        with pytest.raises(RefusedInputError, match="line 1"):
            import_file(engine, file, class_name="Note", batch_size=10)
        file.write_text("".join(reversed(lines)))
        report = import_file(engine, file, class_name="Note", batch_size=10)
        assert (report.created, report.present) == ({"Note": 20}, {"Note": 20})


def test_a_mistake_at_the_end_of_the_last_file_writes_nothing(tmp_path):
    good, bad = tmp_path / "Good.jsonl", tmp_path / "Bad.jsonl"
    good.write_text('{"n": 1}\n' * 20)
    bad.write_text('{"n": 1}\n' * 20 + '{"n": "text"}\n')
    with parsekit.open() as engine, engine.acting_as_master():
        with pytest.raises(RefusedInputError, match="line 21"):
            import_files(engine, [good, bad], class_name="Note", batch_size=5)
        assert engine.last_sequence == 0
        assert "Note" not in engine.schema


def peak_of(engine, file):
    tracemalloc.start()
    try:
        import_file(engine, file, batch_size=100)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_memory_does_not_grow_with_the_file(form, tmp_path):
    def written(name, count):
        path = tmp_path / f"{name}.{form}"
        rows = [{"objectId": f"{name}{n:06}", "text": "x" * 100, "number": n} for n in range(count)]
        with parsekit.open() as engine, engine.acting_as_master():
            import_objects(engine, [Record(name, row) for row in rows])
            export_file(engine, path, [PFQuery(name)])
        return path

    warm, small, large = written("Warm", 10), written("Small", 1_000), written("Large", 6_000)
    with parsekit.open(journal=False) as engine, engine.acting_as_master():
        import_file(engine, warm)
        few, many = peak_of(engine, small), peak_of(engine, large)
    assert large.stat().st_size > 1_000_000
    assert many - few < 100_000
