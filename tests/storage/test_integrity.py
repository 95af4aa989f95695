"""``check()`` finds what is wrong: each kind of damage, done by hand to a sound database."""

import json

import apsw
import pytest

import parsekit
from parsekit import PFACL, ClassSchema, Field, Index, PFGeoPoint, PFObject, Schema
from parsekit.cli import main
from parsekit.storage import functions

SCHEMA = Schema(
    [
        ClassSchema.new(
            "Note",
            {
                "title": Field("String"),
                "n": Field("Number"),
                "place": Field("GeoPoint"),
                "tags": Field("Array"),
                "others": Field("Relation", ("Note",)),
            },
            indexes=[Index("words", (("title", False),), kind="text"), Index("by_n", (("n", True),))],
        )
    ]
)

DAMAGE = {
    "a cell": ("UPDATE Note SET n = n + 1 WHERE n = 3", "Note.n", "journal says otherwise"),
    "a row gone": ("DELETE FROM Note WHERE n = 3", "Note", "have no row"),
    "a row more": (
        "INSERT INTO Note (objectId, createdAt, updatedAt) VALUES ('stranger', 1, 1)", "Note.objectId", "journal",
    ),
    "an ACL number": ("UPDATE Note SET _acl = 99 WHERE n = 2", "Note", "ACL that does not exist"),
    "another ACL": ("UPDATE Note SET _acl = 0 WHERE n = 2", "Note.ACL", "journal says otherwise"),
    "a grant": ("DELETE FROM _pk_acl_grant", "_pk_acl_grant", "grants are missing"),
    "an orphan": ("INSERT INTO \"_Join:others:Note\" VALUES ('nobody', 'x')", "Note.others", "do not exist"),
    "a member gone": ("DELETE FROM \"_Join:others:Note\"", "Note.others", "journal says otherwise"),
    "a box gone": ("DELETE FROM \"Note.place.rtree\" WHERE id = 3", "Note.place", "lacks 1 points"),
    "a box more": ("INSERT INTO \"Note.place.rtree\" VALUES (99, 1, 1, 1, 1)", "Note.place", "holds 1 that are gone"),
    "a word gone": ("DELETE FROM \"Note.words.fts\" WHERE rowid = 3", "Note.title", "the text index lacks"),
    "an index gone": ('DROP INDEX "Note.by_n"', "class Note", "is missing"),
    "a trigger gone": ('DROP TRIGGER "Note.place.rtree.inserted"', "class Note", "is missing"),
    "a column more": ("ALTER TABLE Note ADD COLUMN extra TEXT", "class Note", "unknown"),
    "a table more": ("CREATE TABLE stray (x)", "table stray", "belongs to no class"),
    "no JSON": ("UPDATE Note SET tags = '[1,' WHERE n = 3", "Note.tags", "not JSON"),
    "a null": ("UPDATE Note SET _nulls = ',title,' WHERE n = 3", "Note", "null"),
    "a hole": ("DELETE FROM _pk_journal WHERE seq = 3", "journal", "are missing"),
    "an entry": ("UPDATE _pk_journal SET after = '{\"n\":' WHERE seq = 3", "journal", "cannot be read"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "a.db"
    with parsekit.open(path, schema=SCHEMA) as engine, engine.acting_as_master():
        notes = [
            PFObject("Note", title=f"some words {n}", n=n, place=PFGeoPoint(n, n), tags=[n]) for n in range(6)
        ]
        notes[2].acl = PFACL.from_json({"someone": {"read": True}})
        PFObject.save_all(notes)
        notes[0].relation("others").add_object(notes[1])
        notes[0].save()
        assert engine.check() == []
    return path


def _damaged(sound, tmp_path, statement):
    path = tmp_path / "a.db"
    path.write_bytes(sound.read_bytes())
    connection = apsw.Connection(str(path))
    functions.register(connection)
    connection.execute(statement)
    connection.close()
    return path


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(sound, tmp_path, name):
    statement, place, what = DAMAGE[name]
    with parsekit.open(_damaged(sound, tmp_path, statement), read_only=True) as engine:
        found = engine.check()
    assert any(place in finding.place and what in finding.what and finding.fix for finding in found), found


def test_damaged_pages_are_found(sound, tmp_path):
    path = tmp_path / "a.db"
    content = bytearray(sound.read_bytes())
    connection = apsw.Connection(str(sound), flags=apsw.SQLITE_OPEN_READONLY)
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'Note.by_n'").get
    connection.close()
    content[(page - 1) * 4096 + 200 : page * 4096] = bytes(4096 - 200)
    path.write_bytes(content)
    with parsekit.open(path, read_only=True) as engine:
        found = engine.check()
    assert found
    assert {finding.place for finding in found} == {"file"}


def test_check_is_refused_inside_a_transaction():
    with parsekit.open() as engine, engine.transaction(), pytest.raises(parsekit.EngineError, match="inside"):
        engine.check()


def test_the_command(sound, tmp_path, capsys):
    assert main(["check", str(sound)]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    damaged = _damaged(sound, tmp_path, DAMAGE["a cell"][0])
    assert main(["check", str(damaged), "--json"]) == 1
    captured = capsys.readouterr()
    (finding,) = json.loads(captured.out)["findings"]
    assert finding["place"] == "class Note.n"
    assert "1 thing is wrong" in captured.err
