"""A get by the thread that wrote last reads from the writer: it sees what it should, whoever writes besides."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import parsekit
from parsekit import PFACL, PFObject, PFQuery, Principal
from parsekit.errors import ObjectNotFoundError


def title(object_id: str) -> object:
    return PFQuery[PFObject]("Deal").get(object_id)["title"]


def test_what_other_engines_commit_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "deals.db"
    with parsekit.open(file) as mine, mine.acting_as_master():
        deal = PFObject("Deal", title="one")
        deal.save()
        object_id = str(deal.object_id)
        assert title(object_id) == title(object_id) == "one"
        with parsekit.open(file) as other, other.acting_as_master():
            same = PFQuery[PFObject]("Deal").get(object_id)
            same["title"] = "two"
            same.save()
        assert title(object_id) == "two"
        deal["amount"] = 1  # written by this engine again, in a column of its own
        deal.save()
        with parsekit.open(file) as other, other.acting_as_master():
            same = PFQuery[PFObject]("Deal").get(object_id)
            same["notes"] = "a column that this engine does not know"
            same.save()
        assert PFQuery[PFObject]("Deal").get(object_id)["notes"]


def test_an_open_transaction_of_another_thread_is_not_seen() -> None:
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        deal = PFObject("Deal", title="one")
        deal.save()
        object_id = str(deal.object_id)
        assert title(object_id) == "one"
        written, read = threading.Event(), threading.Event()

        def change() -> None:
            with engine.acting_as_master(), engine.transaction():
                same = PFQuery[PFObject]("Deal").get(object_id)
                same["title"] = "two"
                same.save()
                written.set()
                read.wait(30)

        thread = threading.Thread(target=change)
        thread.start()
        assert written.wait(30)
        assert title(object_id) == "one"
        read.set()
        thread.join()
        assert title(object_id) == "two"


def test_a_snapshot_stays_one() -> None:
    with parsekit.open(":memory:") as engine, engine.acting_as_master():
        deal = PFObject("Deal", title="one")
        deal.save()
        object_id = str(deal.object_id)
        title(object_id)
        deal["title"] = "two"
        deal.save()
        with engine.store.snapshot():
            assert title(object_id) == "two"

            def change() -> None:
                with engine.acting_as_master():
                    same = PFQuery[PFObject]("Deal").get(object_id)
                    same["title"] = "three"
                    same.save()

            thread = threading.Thread(target=change)
            thread.start()
            thread.join()
            assert title(object_id) == "two"
        assert title(object_id) == "three"


def test_rights_hold_there_too() -> None:
    with parsekit.open(":memory:") as engine:
        with engine.acting_as_master():
            deal = PFObject("Deal", title="one")
            deal.acl = PFACL.from_json({"ada": {"read": True, "write": True}})
            deal.save()
        object_id = str(deal.object_id)
        for _ in range(3):
            with engine.acting_as(Principal.user("ada")):
                assert title(object_id) == "one"
                same = PFQuery[PFObject]("Deal").get(object_id)
                same["title"] = "one"
                same.save()
                assert title(object_id) == "one"
            with engine.acting_as(Principal.user("bob")), pytest.raises(ObjectNotFoundError):
                title(object_id)
