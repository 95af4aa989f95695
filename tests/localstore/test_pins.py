"""Pins, what they keep, and what saves, fetches, deletes and restarts make of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import attrs
import pytest

import parsekit
from parsekit import PFACL, Dialect, EngineError, PFObject, PFQuery, PFRole, PFUser, Principal, StorageError
from parsekit.engine.core import ParseEngine
from parsekit.errors import CacheMissError, DataNotAvailableError, ObjectNotFoundError


@pytest.fixture
def engine() -> Iterator[ParseEngine]:
    with parsekit.open(local_datastore=":memory:") as opened:
        yield opened


def _local(class_name: str = "Deal") -> PFQuery[PFObject]:
    return PFQuery(class_name).from_local_datastore()


def test_an_engine_without_one_says_how_to_open_it() -> None:
    with parsekit.open(), pytest.raises(EngineError, match="local_datastore="):
        PFObject("Deal").pin()


def test_the_graph_is_pinned_with_its_root(engine: ParseEngine) -> None:
    owner = PFObject("Person", name="Ada")
    company = PFObject("Company", name="Acme", people=[owner], meta={"boss": owner})
    deal = PFObject("Deal", company=company)
    deal.save()
    deal.pin()
    assert _local("Person").first() == owner
    deal.unpin()
    assert [_local(name).count() for name in ("Deal", "Company", "Person")] == [0, 0, 0]


def test_included_objects_are_pinned_and_bare_pointers_are_not(engine: ParseEngine) -> None:
    deal = PFObject("Deal", company=PFObject("Company", name="Acme"), contact=PFObject("Contact", name="Bob"))
    deal.save()
    PFQuery("Deal").include_key("company").first().pin()
    assert [_local(name).count() for name in ("Company", "Contact")] == [1, 0]
    with pytest.raises(CacheMissError):
        _local().include_key("contact").find()
    found = _local().include_key("company").first()
    assert found["company"]["name"] == "Acme"


def test_a_shared_object_goes_with_the_last_that_leads_to_it(engine: ParseEngine) -> None:
    company = PFObject("Company", name="Acme")
    deals = [PFObject("Deal", company=company) for _ in range(2)]
    PFObject.save_all(deals)
    deals[0].pin("a")
    deals[1].pin("b")
    assert {reason.pin for reason in engine.local_datastore.why(company)} == {"a", "b"}
    deals[0].unpin("a")
    assert _local("Company").count() == 1
    PFObject.unpin_all_objects("b")
    assert _local("Company").count() == 0
    assert engine.local_datastore.pins() == []


def test_circles_are_collected(engine: ParseEngine) -> None:
    left, right = PFObject("Deal", name="l"), PFObject("Deal", name="r")
    PFObject.save_all([left, right])
    left["other"], right["other"] = right, left
    PFObject.save_all([left, right])
    left.pin()
    assert _local().count() == 2
    left.unpin()
    assert _local().count() == 0


def test_unpin_all_objects_takes_the_default_pin_only_and_clear_takes_all(engine: ParseEngine) -> None:
    deals = [PFObject("Deal") for _ in range(2)]
    deals[0].pin()
    deals[1].pin("mine")
    PFObject.unpin_all_objects()
    assert [pin.name for pin in engine.local_datastore.pins()] == ["mine"]
    assert PFQuery("Deal").from_pin("mine").find() == [deals[1]]
    assert PFQuery("Deal").from_pin().find() == []
    assert engine.local_datastore.pinned("mine") == [deals[1]]
    engine.local_datastore.clear()
    assert _local().find() == []


def test_a_save_updates_the_object_alone(engine: ParseEngine) -> None:
    first, second = PFObject("Company", name="1"), PFObject("Company", name="2")
    deal = PFObject("Deal", company=first)
    PFObject.save_all([deal, second])
    deal.pin()
    deal["company"] = second
    deal.save()
    assert _local("Company").find() == []  # the first is not reached any more, the second was not pinned
    deal.pin()
    assert _local("Company").find() == [second]


def test_a_known_object_gets_its_data_with_its_fetch(engine: ParseEngine) -> None:
    PFObject("Deal", company=PFObject("Company", name="Acme")).save()
    deal = PFQuery("Deal").first()
    deal.pin()
    company = deal["company"]
    assert not engine.local_datastore.contains(company)
    company.fetch()
    assert _local().include_key("company").first()["company"]["name"] == "Acme"


def test_a_delete_takes_it_from_every_pin(engine: ParseEngine) -> None:
    company = PFObject("Company", name="Acme")
    deal = PFObject("Deal", company=company)
    deal.save()
    deal.pin("a")
    company.pin("b")
    company.delete()
    assert [pin.name for pin in engine.local_datastore.pins()] == ["a"]
    assert (_local().count(), _local("Company").count()) == (1, 0)


def test_a_transaction_that_fails_changes_nothing_here(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead")
    deal.save()
    deal.pin()
    with pytest.raises(RuntimeError), engine.transaction():
        other = PFQuery("Deal").get(deal.object_id or "")
        other["stage"] = "won"
        other.save()
        deal.delete()
        raise RuntimeError
    assert _local().first()["stage"] == "lead"


def test_pending_operations_survive_a_restart(tmp_path: Path) -> None:
    with parsekit.open(tmp_path / "main.db", local_datastore=tmp_path / "device.db"):
        company = PFObject("Company", name="New")
        deal = PFObject("Deal", count=1, tags=["a"], gone=1)
        deal.save()
        deal.pin()
        deal.increment_key("count", 2)
        deal.add_object("b", for_key="tags")
        deal["company"] = company
        del deal["gone"]
    with parsekit.open(tmp_path / "main.db", local_datastore=tmp_path / "device.db"):
        found = _local().first()
        assert sorted(found.dirty_keys) == ["company", "count", "gone", "tags"]
        assert (found["count"], found["tags"], found["company"]["name"], "gone" in found) == (
            3,
            ["a", "b"],
            "New",
            False,
        )
        other = PFQuery("Deal").first()
        other.increment_key("count")
        other.save()
        assert found["count"] == 4  # the server's 2, with what is pending on top
        found.save()
        assert PFQuery("Deal").include_key("company").first()["company"]["name"] == "New"
        assert PFQuery("Deal").first()["count"] == 4
        assert _local().first().dirty_keys == []
        assert _local("Company").first().object_id is not None


def test_two_deals_share_an_unsaved_company_after_a_restart(tmp_path: Path) -> None:
    with parsekit.open(tmp_path / "main.db", local_datastore=tmp_path / "device.db"):
        company = PFObject("Company", name="New")
        PFObject.pin_all([PFObject("Deal", company=company), PFObject("Deal", company=company)])
    with parsekit.open(tmp_path / "main.db", local_datastore=tmp_path / "device.db"):
        PFObject.save_all(_local().find())
        assert (PFQuery("Deal").count(), PFQuery("Company").count(), _local("Company").count()) == (2, 1, 1)


def test_revert_takes_back_what_is_stored_of_it(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead")
    deal.save()
    deal.pin()
    deal["stage"] = "won"
    deal.revert()
    assert _local().where_key("stage", equal_to="lead").find()[0].dirty_keys == []


def test_one_object_in_memory(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead")
    deal.pin()
    found = _local().first()
    found["stage"] = "won"
    assert deal["stage"] == "won"
    assert found == deal
    deal.save()
    assert found.object_id == deal.object_id
    assert PFQuery("Deal").count() == 1
    clean = [_local().first(), _local().first()]
    clean[0].increment_key("n")
    clean[1].increment_key("n")
    assert (clean[0]["n"], deal["n"]) == (2, 2)


def test_a_fetch_keeps_what_is_pending(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead", amount=1)
    deal.save()
    deal.pin()
    deal["stage"] = "won"
    other = PFQuery("Deal").first()
    other["amount"] = 2
    other.save()
    deal.fetch()
    assert (deal["stage"], deal["amount"], _local().first().dirty_keys) == ("won", 2, ["stage"])


def test_what_was_found_here_is_still_kept_after_a_fetch(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead", amount=1)
    deal.save()
    deal.pin()
    del deal
    found, other = _local().first(), PFQuery("Deal").first()
    other["amount"] = 2
    other.save()
    found.fetch()
    found["stage"] = "won"
    assert (found["amount"], _local().first()["stage"]) == (2, "won")
    other["stage"] = (
        "lost"  # read from the server and not pinned: its changes are its own until they are saved
    )
    assert (found["stage"], _local().first()["stage"]) == ("won", "won")


def test_objects_of_select_keys_come_back_with_what_they_have(engine: ParseEngine) -> None:
    PFObject.save_all([PFObject("Deal", stage="won", amount=1), PFObject("Deal", nothing=True)])
    won = PFQuery("Deal").where_key("stage", equal_to="won")
    won.copy().select_keys("stage", "nothing").first().pin()
    found = _local().where_key("stage", equal_to="won").first()
    assert not found.is_data_available
    assert found.get("nothing") is None
    with pytest.raises(DataNotAvailableError):
        found["amount"]
    won.copy().select_keys("amount").first().pin()
    assert _local().first()["amount"] == 1
    found.fetch()
    assert _local().first().is_data_available


def test_an_older_answer_does_not_overwrite_a_newer_one(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead")
    deal.save()
    old = PFQuery("Deal").first()
    deal["stage"] = "won"
    deal.save()
    deal.pin()
    old.pin()
    assert _local().first()["stage"] == "won"
    assert old["stage"] == "won"


def test_acls_roles_and_ignore_acls(engine: ParseEngine) -> None:
    ada = PFUser.sign_up("ada", password="pw", email="ada@example.com")
    with engine.acting_as_master():
        role = PFRole("sales", acl=PFACL())
        role.relation("users").add_object(ada)
        role.save()
        boss = PFRole("boss", acl=PFACL())
        boss.relation("roles").add_object(role)
        boss.save()
        deals = [PFObject("Deal", name=name) for name in ("own", "role", "nobody", "public")]
        for deal, acl in zip(
            deals, ({ada.object_id: {"read": True}}, {"role:boss": {"read": True}}, {}), strict=False
        ):
            deal.acl = PFACL.from_json(acl)
        PFObject.save_all(deals)
        PFObject.pin_all([*deals, role, boss])
    with engine.acting_as(ada):
        assert [deal["name"] for deal in _local().find()] == ["own", "public"]
        with_roles = attrs.evolve(Dialect.IOS_LOCAL, roles_grant=True)
        assert [deal["name"] for deal in _local().under(with_roles).find()] == ["own", "role", "public"]
        assert [deal["name"] for deal in _local().under(Dialect.SERVER).find()] == ["own", "role", "public"]
        assert _local().ignore_acls().count() == 4
    with engine.acting_as(Principal.anonymous()):
        assert _local().count() == 1


def test_relations_are_asked_by_their_known_members(engine: ParseEngine) -> None:
    contacts = [PFObject("Contact", name=name) for name in "ab"]
    deal = PFObject("Deal")
    PFObject.save_all([deal, *contacts])
    deal.relation("contacts").add_object(contacts[0])
    deal.save()
    fresh = PFQuery("Deal").first()
    PFObject.pin_all([fresh, *contacts])
    query = fresh.relation("contacts").query().from_local_datastore()
    assert query.find() == [contacts[0]]
    fresh.relation("contacts").add_object(contacts[1])
    assert query.count() == 2
    fresh.revert()
    assert query.count() == 1
    owners = _local().where_key("contacts", equal_to=contacts[0])
    assert owners.find() == [fresh]


def test_paging_first_get_each_and_sub_queries(engine: ParseEngine) -> None:
    companies = [PFObject("Company", city=city) for city in ("Bern", "Genf")]
    PFObject.pin_all([PFObject("Deal", n=n, company=companies[n % 2]) for n in range(150)])
    PFObject.save_all(_local().find())
    assert len(_local().find()) == 150
    assert len(_local().under(Dialect.SERVER).find()) == 100
    assert [deal["n"] for deal in _local().order_by_descending("n").skip(1).limit(2).find()] == [148, 147]
    assert sum(1 for _ in _local().under(Dialect.SERVER).each()) == 150
    deal = _local().where_key("n", equal_to=7).first()
    assert _local().get(deal.object_id or "") == deal
    with pytest.raises(ObjectNotFoundError):
        _local().get("unknown")
    with pytest.raises(ObjectNotFoundError):
        _local().where_key("n", equal_to=-1).first()
    in_bern = PFQuery("Company").where_key("city", equal_to="Bern")
    assert _local().where_key("company", matches_query=in_bern).count() == 75
    assert _local().where_key("company", does_not_match_query=in_bern).count() == 75
    either = PFQuery.or_(
        PFQuery("Deal").where_key("n", less_than=2), PFQuery("Deal").where_key("n", greater_than=148)
    )
    assert either.from_local_datastore().count() == 3


def test_select_keys_project_under_the_servers_dialect_only(engine: ParseEngine) -> None:
    PFObject("Deal", stage="won", amount=1).pin()
    assert _local().select_keys("stage").first()["amount"] == 1
    partial = _local().under(Dialect.SERVER).select_keys("stage").first()
    assert partial["stage"] == "won"
    with pytest.raises(DataNotAvailableError):
        partial["amount"]


def test_explain_tells_what_runs_on_an_index_and_what_row_by_row(engine: ParseEngine) -> None:
    PFObject.pin_all([PFObject("Deal", stage="won", amount=n) for n in range(3)])
    engine.local_datastore.ensure_index("Deal", "stage", "amount")
    query = _local().where_key("stage", equal_to="won").order_by_ascending("amount")
    assert "USING INDEX Deal.stage_1_amount_1" in " ".join(query.explain().sqlite)
    assert query.explain().in_row_order == ()
    mixed = PFObject("Deal", amount="much")
    mixed.pin()
    assert query.explain().in_row_order == ("order by amount",)
    assert [deal["amount"] for deal in query.find()] == [0, 1, 2]


def test_it_answers_while_the_engine_is_out_of_reach(tmp_path: Path) -> None:
    with parsekit.open(
        tmp_path / "main.db", local_datastore=tmp_path / "device.db", busy_timeout_s=0
    ) as engine:
        PFObject("Deal", stage="won").save()
        deal = PFQuery("Deal").first()
        deal.pin()
        blocker = apsw.Connection(str(tmp_path / "main.db"))
        blocker.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError):
            PFObject("Deal").save()
        deal["stage"] = "lost"
        PFObject("Deal", stage="lost").pin()
        assert _local().where_key("stage", equal_to="lost").count() == 2
        blocker.execute("ROLLBACK")
        blocker.close()
        deal.save()
        assert engine.local_datastore.why(deal)


def test_it_can_be_opened_alone(tmp_path: Path) -> None:
    with parsekit.open(tmp_path / "main.db", local_datastore=tmp_path / "device.db"):
        deal = PFObject("Deal", stage="won")
        deal.save()
        deal.pin()
    with parsekit.open_local_datastore(tmp_path / "device.db") as local:
        found = _local().first()
        found["stage"] = "lost"
        PFObject("Deal", stage="lead").pin()
        for act in (found.save, found.fetch, found.delete, PFQuery("Deal").find):
            with pytest.raises(EngineError):
                act()
        assert [pin.roots for pin in local.pins()] == [2]
        with _local().subscribe() as subscription:
            found["stage"] = "won"
            assert [event.kind for event in subscription.pending()] == ["update"]
    with parsekit.open(tmp_path / "main.db", local_datastore=tmp_path / "device.db"):
        PFObject.save_all(_local().find())
        assert sorted(deal["stage"] for deal in PFQuery("Deal").find()) == ["lead", "won"]


def test_files_are_not_taken_for_each_other(tmp_path: Path) -> None:
    with parsekit.open(tmp_path / "main.db", local_datastore=tmp_path / "device.db"):
        pass
    with pytest.raises(StorageError, match="local datastore"):
        parsekit.open(tmp_path / "device.db")
    with pytest.raises(StorageError, match="no local datastore"):
        parsekit.open_local_datastore(tmp_path / "main.db")


def test_an_object_is_kept_by_one_local_datastore(engine: ParseEngine) -> None:
    deal = PFObject("Deal")
    deal.pin()
    with (
        parsekit.open_local_datastore() as other,
        pytest.raises(EngineError, match="another local datastore"),
    ):
        other.pin_all([deal])
    engine.local_datastore.unpin_all([deal])
    with parsekit.open_local_datastore() as other:
        other.pin_all([deal])
        assert other.contains(deal)


def test_a_pin_that_fails_leaves_no_trace(engine: ParseEngine) -> None:
    good, bad = PFObject("Deal", n=1), PFObject("Deal")
    with parsekit.open_local_datastore() as other:
        other.pin_all([bad])
        with pytest.raises(EngineError):
            engine.local_datastore.pin_all([good, bad])
    assert engine.local_datastore.pins() == []
    good["n"] = 2
    good.pin()
    assert [deal["n"] for deal in _local().find()] == [2]


def test_a_password_is_not_written_to_the_device(tmp_path: Path) -> None:
    with parsekit.open(local_datastore=tmp_path / "device.db"):
        user = PFUser(username="ada", password="correct horse")
        user.pin()
        assert _local("_User").where_key_exists("password").count() == 0
        assert user.dirty_keys == ["username", "password"]
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert not any(b"correct horse" in content for content in files)


def test_a_save_that_is_rolled_back_is_pending_here_too(engine: ParseEngine) -> None:
    deal = PFObject("Deal", stage="lead")
    deal.pin()
    found = _local().first()
    with pytest.raises(RuntimeError), engine.transaction():
        deal.save()
        raise RuntimeError
    deal["stage"] = "won"
    assert (found["stage"], found.object_id, _local().first()["stage"]) == ("won", None, "won")
    found.save()
    assert PFQuery("Deal").count() == 1
    assert deal.object_id == _local().first().object_id


def test_what_is_not_offered_says_so(engine: ParseEngine) -> None:
    for ask in (
        lambda: _local().distinct("stage"),
        lambda: _local().aggregate([]),
        lambda: _local().compare_dialects(),
    ):
        with pytest.raises(parsekit.NotOfferedError):
            ask()


def test_a_pin_costs_what_it_adds(engine: ParseEngine) -> None:
    steps = [0]

    def counted() -> bool:
        steps[0] += 1
        return False

    def cost(obj: PFObject) -> tuple[int, int]:
        """What SQLite does to pin an object that leads to what is there already, and to unpin it again."""
        counts = []
        for act in (obj.pin, obj.unpin):
            steps[0] = 0
            act()
            counts.append(steps[0])
        return counts[0], counts[1]

    company = PFObject("Company", name="Acme")
    PFObject.pin_all([PFObject("Deal", n=n, company=company) for n in range(20)])
    engine.local_datastore.store.database.writer.set_progress_handler(counted, 10)
    few = cost(PFObject("Deal", n=-1, company=company))
    PFObject.pin_all([PFObject("Deal", n=n, company=company) for n in range(600)])
    many = cost(PFObject("Deal", n=-2, company=company))
    assert many[0] < 1.5 * few[0]
    assert many[1] < 1.5 * few[1]


def test_threads_pin_and_ask_side_by_side(engine: ParseEngine) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with engine.acting_as_master():
                for step in range(20):
                    deal = PFObject("Deal", worker=number, step=step)
                    deal.pin(f"p{number}")
                    assert PFQuery("Deal").from_pin(f"p{number}").count() == step + 1
        except BaseException as error:  # noqa: BLE001 - told in the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert _local().count() == 60
