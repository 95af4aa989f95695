"""``engine.history()`` and ``engine.as_of()``: what is told, and to whom. That it is right is law L4."""

from datetime import UTC, datetime, timedelta

import pytest

import parsekit
from parsekit import PFACL, ClassSchema, EngineError, Field, PFObject, PFQuery, PFUser, Schema
from parsekit.errors import NotOfferedError, ObjectNotFoundError, OperationForbiddenError
from parsekit.storage.journal import JournalLimits
from parsekit.values import MISSING


@pytest.fixture
def engine():
    with parsekit.open() as opened:
        yield opened


@pytest.fixture
def ada(engine):
    with engine.acting_as_master():
        user = PFUser(username="ada", password="a-long-password")
        user.save()
    return user


def _only(user, read=True):
    return PFACL.from_json({user.object_id: {"read": read, "write": read}})


def test_history_has_the_changed_keys_before_and_after(engine):
    note = PFObject("Note", title="a", n=1)
    note.save()
    note["title"] = "b"
    note.increment_key("n")
    note.save()
    del note["n"]
    note.save()
    created, updated, cleared = engine.history(note)
    assert (created.kind, dict(created.before), created.after["title"]) == ("create", {}, "a")
    assert updated.changed_keys == ("n", "title", "updatedAt")
    assert (updated.before["title"], updated.after["title"], updated.after["n"]) == ("a", "b", 2)
    assert cleared.before["n"] == 2
    assert "n" not in cleared.after
    assert created.sequence < updated.sequence < cleared.sequence
    assert engine.history("Note", note.object_id) == [created, updated, cleared]


def test_history_of_a_deleted_object_is_for_masters(engine):
    note = PFObject("Note", title="a")
    note.save()
    name = note.object_id
    note.delete()
    with pytest.raises(ObjectNotFoundError):
        engine.history("Note", name)
    with engine.acting_as_master():
        assert [entry.kind for entry in engine.history("Note", name)] == ["create", "delete"]


def test_history_needs_a_saved_object(engine):
    with pytest.raises(EngineError, match="objectId"):
        engine.history(PFObject("Note"))


def test_history_leaves_out_what_could_not_be_read_then(engine, ada):
    with engine.acting_as_master():
        note = PFObject("Note", text="secret")
        note.acl = PFACL.from_json({})
        note.save()
        note["text"] = "for ada"
        note.acl = _only(ada)
        note.save()
        note["text"] = "for all"
        note.acl = PFACL.from_json({"*": {"read": True}})
        note.save()
    with engine.acting_as(ada):
        first, second = engine.history(note)
        assert "text" not in first.before
        assert (first.after["text"], second.before["text"], second.after["text"]) == (
            "for ada",
            "for ada",
            "for all",
        )
    (last,) = engine.history(note)
    assert "text" not in last.before
    with engine.acting_as_master():
        assert len(engine.history(note)) == 3
        note.acl = PFACL.from_json({})
        note.save()
    with pytest.raises(ObjectNotFoundError):
        engine.history(note)


def test_hidden_fields_stay_hidden(engine, ada):
    permissions = {
        "find": {"*": True},
        "get": {"*": True},
        "count": {"*": True},
        "protectedFields": {"*": ["wage"]},
    }
    fields = {"name": Field("String"), "wage": Field("Number")}
    engine.apply_schema(Schema([ClassSchema.new("Worker", fields, permissions=permissions)]))
    with engine.acting_as_master():
        worker = PFObject("Worker", name="Bo", wage=1)
        worker.save()
        assert engine.history(worker)[0].after["wage"] == 1
    with engine.acting_as(ada):
        assert "wage" not in engine.history(worker)[0].after
        past = engine.as_of(engine.last_sequence)
        (found,) = past.find(PFQuery("Worker"))
        assert found["name"] == "Bo"
        assert "wage" not in found
        with pytest.raises(OperationForbiddenError):
            past.find(PFQuery("Worker").where_key("wage", equal_to=1))
    with engine.acting_as_master():
        assert not any("password" in entry.after for entry in engine.history(ada))


def test_as_of_asks_for_the_acl_of_then_and_of_now(engine, ada):
    with engine.acting_as_master():
        opened, closed, gone = (PFObject("Note", title=title) for title in ("opened", "closed", "gone"))
        opened.acl = PFACL.from_json({})
        PFObject.save_all([opened, closed, gone])
        then = engine.last_sequence
        opened.acl = _only(ada)
        closed.acl = PFACL.from_json({})
        PFObject.save_all([opened, closed])
        gone.delete()
        assert len(engine.as_of(then).find(PFQuery("Note"))) == 3
    with engine.acting_as(ada):
        assert [note["title"] for note in engine.as_of(then).find(PFQuery("Note"))] == ["gone"]
        now = engine.as_of(engine.last_sequence)
        assert [note["title"] for note in now.find(PFQuery("Note"))] == ["opened"]
        with pytest.raises(ObjectNotFoundError):
            now.get("Note", closed.object_id)


def test_as_of_answers_queries(engine):
    parents = [PFObject("Parent", rank=rank) for rank in (1, 2)]
    PFObject.save_all(parents)
    notes = [PFObject("Note", n=n, parent=parents[n % 2]) for n in range(6)]
    PFObject.save_all(notes)
    then = engine.last_sequence
    parents[0]["rank"] = 5
    parents[0].save()
    PFObject.delete_all(notes[:3])
    past = engine.as_of(then)
    query = PFQuery("Note").order_by_descending("n")
    assert [note["n"] for note in past.find(query)] == [5, 4, 3, 2, 1, 0]
    assert [note["n"] for note in past.find(query.skip(1).limit(2))] == [4, 3]
    assert past.count(PFQuery("Note").where_key("n", less_than=3)) == 3
    inner = PFQuery("Parent").where_key("rank", equal_to=1)
    assert past.count(PFQuery("Note").where_key("parent", matches_query=inner)) == 3
    (slim,) = past.find(PFQuery("Note").where_key("n", equal_to=1).select_keys("n"))
    assert not slim.is_data_available
    assert past.get("Note", notes[0].object_id)["n"] == 0
    with pytest.raises(ObjectNotFoundError):
        past.get("Note", "nowhere")
    assert past.find(PFQuery("Unknown")) == []
    with pytest.raises(NotOfferedError, match="includes"):
        past.find(PFQuery("Note").include_key("parent"))
    assert past.find(parents[0].relation("kids").query()) == []


def test_as_of_has_the_members_of_then_for_who_may_see_them(engine, ada):
    with engine.acting_as_master():
        open_note, secret = PFObject("Note", n=1), PFObject("Note", n=2, ACL=PFACL())
        folder, closed = PFObject("Folder"), PFObject("Folder", ACL=PFACL())
        PFObject.save_all([open_note, secret, folder, closed])
        for owner in (folder, closed):
            owner.relation("notes").add_objects([open_note, secret])
            owner.save()
        then = engine.last_sequence
        folder.relation("notes").remove_object(open_note)
        folder.save()
        closed.delete()

    def members(owner):
        return sorted(note["n"] for note in engine.as_of(then).find(owner.relation("notes").query()))

    def owners(note):
        found = engine.as_of(then).find(PFQuery("Folder").where_key("notes", equal_to=note))
        return {owner.object_id for owner in found}

    with engine.acting_as_master():
        assert folder.relation("notes").query().count() == 1
        assert (members(folder), members(closed)) == ([1, 2], [1, 2])
        assert owners(open_note) == {folder.object_id, closed.object_id}
    with engine.acting_as(ada):
        assert (members(folder), members(closed)) == ([1], [])
        assert owners(open_note) == {folder.object_id}


def test_as_of_refuses_what_the_journal_does_not_tell(engine):
    note = PFObject("Note", a=1, b=1)
    note.save()
    with pytest.raises(EngineError, match="reaches from 0 to 1"):
        engine.as_of(2)
    note["a"] = 2
    note.save()
    engine.schema_edits.alter("Note", {"b": {"__op": "Delete"}}, MISSING, None)
    with pytest.raises(EngineError, match="field b of Note was dropped at 2"):
        engine.as_of(1).find(PFQuery("Note"))
    assert engine.as_of(2).count(PFQuery("Note")) == 1


def test_as_of_refuses_what_was_pruned():
    moment = [datetime(2024, 1, 1, tzinfo=UTC)]
    with parsekit.open(clock=lambda: moment[0], journal_limits=JournalLimits(days=1, entries=2)) as engine:
        for n in range(5):
            PFObject("Note", n=n).save()
        early = engine.as_of(1)
        moment[0] += timedelta(days=2)
        engine.compact()
        with pytest.raises(EngineError, match="reaches from 3 to 5"):
            engine.as_of(1)
        with pytest.raises(EngineError, match="pruned"):
            early.find(PFQuery("Note"))
        assert engine.as_of(3).count(PFQuery("Note")) == 3
