"""Schema differences and numbered migrations."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import parsekit
from parsekit import ClassSchema, Field, Index, PFObject, PFQuery, Pointer, Schema, SchemaError
from parsekit.migrations import Migration, MigrationError, migration
from parsekit.schema_diff import (
    add_class,
    add_field,
    add_index,
    apply_changes,
    drop_class,
    drop_field,
    drop_index,
)

DEAL = ClassSchema.new("Deal", {"title": Field("String"), "old": Field("Number")})
FIRST = Migration(1, "deals", (add_class(DEAL),))


@migration(2, "every deal has a stage", [add_field("Deal", "stage", Field("String"))])
def stages(step):
    """Deals were all leads."""
    step.backfill("Deal", _as_lead, batch_size=3)


def _as_lead(deal):
    if "stage" not in deal:
        deal["stage"] = "lead"


THIRD = Migration(
    3, "old is gone", (drop_field("Deal", "old"), add_index("Deal", Index("s", (("stage", False),))))
)

# --- the difference ---

fields = st.builds(
    Field,
    st.sampled_from(["String", "Number", "Array"]),
    required=st.booleans(),
    description=st.sampled_from(["", "x"]),
)
indexes = st.lists(st.sampled_from(["objectId", "createdAt"]), min_size=1, max_size=2, unique=True)
classes = st.builds(
    lambda name, own, keys, open_: ClassSchema.new(
        name,
        own,
        indexes=[Index(f"i{place}", (((key, False)),)) for place, key in enumerate(keys)],
        permissions={"find": {"*": True}} if open_ else None,
    ),
    st.sampled_from(["A", "B", "C"]),
    st.dictionaries(st.sampled_from("xyz"), fields, max_size=3),
    indexes,
    st.booleans(),
)
schemas = st.lists(classes, max_size=3).map(Schema)


def _sorted(schema):
    return {item.name: (item.fields, sorted(item.indexes, key=str), item.permissions) for item in schema}


@given(schemas, schemas)
def test_a_difference_applied_is_the_other_schema(old, new):
    changes = old.diff(new)
    assert _sorted(apply_changes(old, changes)) == _sorted(new)
    assert bool(changes) == (_sorted(old) != _sorted(new))
    assert all(str(change) for change in changes)


def test_a_difference_says_what_is_lost():
    other = ClassSchema.new("Deal", {"title": Field("Array"), "new": Field("Date")})
    lost = [str(change) for change in Schema([DEAL]).diff(Schema([other])) if change.is_destructive]
    assert lost == [
        "drop field Deal.old; its values go",
        "change field Deal.title (String to Array); its values go",
    ]


@pytest.mark.parametrize(
    "change",
    [
        add_class(DEAL),
        add_field("Deal", "title", Field("String")),
        drop_field("Deal", "titel"),
        drop_class("Del"),
        drop_index("Deal", "nope"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change):
    with pytest.raises(SchemaError, match="1 problem"):
        apply_changes(Schema([DEAL]), [change])


# --- running migrations ---


def _deals(count):
    PFObject.save_all([PFObject("Deal", title=f"{n}", old=n) for n in range(count)])


def test_migrations_run_once(tmp_path):
    path = tmp_path / "a.db"
    with parsekit.open(path) as engine:
        assert [item.number for item in engine.migrate([FIRST]).ran] == [1]
        _deals(10)
    with parsekit.open(path) as engine:
        report = engine.migrate([FIRST, stages, THIRD])
        assert [(item.number, item.objects) for item in report.ran] == [(2, 10), (3, 0)]
        assert report.before == 1
        assert PFQuery("Deal").where_key("stage", equal_to="lead").count() == 10
        assert "old" not in engine.schema.get("Deal").fields
        assert [item.name for item in engine.migrations()] == [
            "deals",
            "every deal has a stage",
            "old is gone",
        ]
        assert engine.migrations()[1].changes == ("add field Deal.stage (String)",)
        assert engine.migrate([FIRST, stages, THIRD]).ran == ()
        assert engine.check() == []


def test_a_dry_run_changes_nothing():
    with parsekit.open() as engine:
        engine.migrate([FIRST])
        _deals(4)
        before, sequence = engine.schema, engine.last_sequence
        report = engine.migrate([FIRST, stages, THIRD], dry_run=True)
        assert "would run 2 migrations" in str(report)
        assert "4 objects back-filled" in str(report)
        assert engine.schema == before
        assert engine.last_sequence == sequence
        assert "stage" not in PFQuery("Deal").first()
        assert len(engine.migrations()) == 1
        assert engine.check() == []


def test_a_migration_that_fails_leaves_nothing():
    @migration(2, "fails")
    def fails(step):
        step.change(add_field("Deal", "stage", Field("String")))
        step.backfill("Deal", lambda deal: deal.__setitem__("stage", 1 if deal["title"] == "3" else "lead"))

    with parsekit.open() as engine:
        _deals(5)
        with pytest.raises(MigrationError, match=r"migration 1 \(deals\): .*there already"):
            engine.migrate([FIRST])
        engine.migrate([Migration(1, "nothing")])
        with pytest.raises(MigrationError, match=r"migration 2 \(fails\): .*nothing of it is kept"):
            engine.migrate([Migration(1, "nothing"), fails])
        assert "stage" not in engine.schema.get("Deal").fields
        assert len(engine.migrations()) == 1
        assert engine.check() == []


def test_lists_that_do_not_fit_are_refused():
    with parsekit.open() as engine:
        engine.migrate([FIRST, stages])
        wrong = {
            "number 1": [stages],
            "number 3": [FIRST, stages, Migration(4, "a gap")],
            "number 2": [FIRST, FIRST],
            "not among": [FIRST],
            "changed after": [FIRST, Migration(2, stages.name, stages.changes)],
            "which was called": [Migration(1, "deal"), stages],
        }
        for text, given_ in wrong.items():
            with pytest.raises(MigrationError, match=text):
                engine.migrate(given_)


def test_comments_and_formatting_do_not_count():
    @migration(2, "every deal has a stage", [add_field("Deal", "stage", Field("String"))])
    def stages(step):
        # another comment
        step.backfill(
            "Deal",
            _as_lead, batch_size=3,
        )  # fmt: skip

    assert stages.fingerprint == globals()["stages"].fingerprint


def test_two_programs_may_migrate_at_once(tmp_path):
    path = tmp_path / "a.db"
    with parsekit.open(path) as engine:
        engine.migrate([FIRST])
        _deals(30)
    counts, errors = [], []

    def run():
        try:
            with parsekit.open(path, busy_timeout_s=60) as engine:
                counts.append(len(engine.migrate([FIRST, stages, THIRD]).ran))
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sum(counts) == 2


def test_a_dropped_class_takes_its_objects_along():
    with parsekit.open() as engine, engine.acting_as_master():
        engine.migrate([FIRST])
        _deals(3)
        engine.migrate([FIRST, Migration(2, "none", [drop_class("Deal")])])
        assert "Deal" not in engine.schema
        assert PFQuery("Deal").count() == 0
        assert engine.check() == []


# --- pointers whose target classes change ---


def test_a_pointer_keeps_its_values_when_its_targets_change():
    one, two, anything = Field("Pointer", ("A",)), Field("Pointer", ("A", "B")), Field("Pointer")
    with (
        parsekit.open(schema=Schema([ClassSchema.new("Note", {"p": anything})])) as engine,
        engine.acting_as_master(),
    ):
        PFObject("Note", p=Pointer("A", "a1")).save()
        PFObject("Note").save()
        steps = [one, two, one, anything]
        made = []
        for number, field in enumerate(steps, 1):
            wanted = engine.schema.with_class(engine.schema.get("Note").with_fields({"p": field}))
            made.append(Migration(number, "targets", engine.schema.diff(wanted)))
            assert not any(change.is_destructive for change in made[-1].changes)
            engine.migrate(made)
            assert PFQuery("Note").where_key("p", equal_to=Pointer("A", "a1")).count() == 1
            assert engine.check() == []
        PFObject("Note", p=Pointer("B", "b1")).save()
        wanted = Schema([ClassSchema.new("Note", {"p": one})])
        with pytest.raises(SchemaError, match="point to other classes"):
            engine.apply_schema(wanted)
        assert PFQuery("Note").where_key_exists("p").count() == 2
