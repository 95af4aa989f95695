"""Find hooks of every class that a query reaches (RestQuery.js: includes and sub-queries are finds of their own)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit import ParseError, PFObject, PFQuery
from parsekit.errors import ObjectNotFoundError


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:") as opened:
        acme, bolt = PFObject("Company", name="Acme", size=3), PFObject("Company", name="Bolt", size=9)
        boss = PFObject("Person", name="Ann")
        acme["boss"] = boss
        PFObject.save_all([acme, bolt])
        for number, company in enumerate([acme, bolt, acme]):
            PFObject("Deal", n=number, company=company).save()
        yield opened


def named(found: list[PFObject]) -> list[str | None]:
    return [None if deal.get("company") is None else deal["company"]["name"] for deal in found]


def deals() -> PFQuery[PFObject]:
    return PFQuery("Deal").order_by_ascending("n").include_key("company")


class TestIncludes:
    def test_the_hooks_of_the_included_class_run(self, engine: parsekit.ParseEngine) -> None:
        seen: list[Any] = []

        @engine.cloud.before_find("Company")
        def narrow(request: Any) -> None:
            seen.append(("get" if request.is_get else "find", request.query.class_name))
            request.query.where_key("size", less_than=5)

        @engine.cloud.after_find("Company")
        def rename(request: Any) -> Any:
            for company in request.objects:
                company["name"] = company["name"].upper()
            return request.objects

        assert named(deals().find()) == ["ACME", None, "ACME"]
        assert named(deals().limit(1).find()) == ["ACME"]
        assert seen == [("find", "Company"), ("get", "Company")]

    def test_what_the_hook_leaves_out_is_absent_as_a_dangling_pointer_is(
        self, engine: parsekit.ParseEngine
    ) -> None:
        engine.cloud.after_find("Company")(
            lambda request: [c for c in request.objects if c["name"] != "Acme"]
        )
        assert named(deals().find()) == [None, "Bolt", None]

    def test_each_level_has_its_hooks_and_the_outer_one_comes_last(
        self, engine: parsekit.ParseEngine
    ) -> None:
        order: list[str] = []
        for name in ("Deal", "Company", "Person"):
            engine.cloud.before_find(name)(lambda request: order.append(f"before {request.query.class_name}"))

            def after(request: Any) -> None:
                order.append(f"after {request.query.class_name}")
                if request.query.class_name == "Deal":
                    order.append(request.objects[0]["company"]["boss"]["name"])

            engine.cloud.after_find(name)(after)
        deals().include_key("company.boss").find()
        assert order == [
            "before Deal", "before Company", "after Company", "before Person", "after Person", "after Deal", "Ann",
        ]  # fmt: skip

    def test_a_hook_may_include_more(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.before_find("Company")(lambda request: request.query.include_key("boss"))
        assert deals().first()["company"]["boss"]["name"] == "Ann"

    def test_a_hook_that_refuses_refuses_the_find(self, engine: parsekit.ParseEngine) -> None:
        @engine.cloud.before_find("Company")
        def refuse(request: Any) -> None:
            raise ParseError("not now", code=141)

        with pytest.raises(ParseError, match="not now"):
            deals().find()
        assert len(PFQuery("Deal").find()) == 3

    def test_gets_and_fetches_have_them_too(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.after_find("Company")(lambda request: [])
        first = PFQuery("Deal").order_by_ascending("n").first()
        assert PFQuery("Deal").include_key("company").get(str(first.object_id)).get("company") is None
        with pytest.raises(ObjectNotFoundError):
            first["company"].fetch()


class TestSubQueries:
    def test_both_hooks_of_the_inner_class_decide(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.before_find("Company")(lambda request: request.query.where_key("size", greater_than=1))
        engine.cloud.after_find("Company")(
            lambda request: [c for c in request.objects if c["name"] == "Bolt"]
        )
        inner = PFQuery("Company")
        assert [deal["n"] for deal in deals().where_key("company", matches_query=inner).find()] == [1]
        assert PFQuery("Deal").where_key("company", does_not_match_query=inner).count() == 2

    def test_values_of_a_key_come_from_what_the_hook_returns(self, engine: parsekit.ParseEngine) -> None:
        PFObject("Deal", n=7, title="ACME").save()

        @engine.cloud.after_find("Company")
        def rename(request: Any) -> None:
            for company in request.objects:
                company["name"] = company["name"].upper()

        query = PFQuery("Deal").where_key("title", matches_key="name", in_query=PFQuery("Company"))
        assert [deal["n"] for deal in query.find()] == [7]

    def test_inside_a_sub_query_without_hooks(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.after_find("Person")(lambda request: [])
        inner = PFQuery("Company").where_key("boss", matches_query=PFQuery("Person"))
        assert PFQuery("Deal").where_key("company", matches_query=inner).count() == 0

    def test_a_page_that_the_hook_sets_counts(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.before_find("Company")(
            lambda request: request.query.order_by_descending("size").limit(1)
        )
        inner = PFQuery("Company").limit(0)
        assert [deal["n"] for deal in deals().where_key("company", matches_query=inner).find()] == [1]

    def test_a_hidden_key_is_refused_all_the_same(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.after_find("_User")(lambda request: request.objects)
        query = PFQuery("Deal").where_key("title", matches_key="email", in_query=PFQuery("_User"))
        with pytest.raises(ParseError) as caught:
            query.find()
        assert caught.value.code == 119


class TestOtherVerbs:
    def test_each_calls_the_hook_a_batch_at_a_time(self, engine: parsekit.ParseEngine) -> None:
        sizes: list[int] = []
        engine.cloud.after_find("Deal")(lambda request: sizes.append(len(request.objects)))
        engine.cloud.before_find("Deal")(lambda request: request.query.where_key("n", less_than=9))
        assert [deal["n"] for deal in PFQuery("Deal").each(batch_size=2)] == [0, 1, 2]
        assert sizes == [2, 1]
        assert list(PFQuery("Deal").where_key("n", equal_to=8).each()) == []
        assert sizes == [2, 1, 0]

    def test_a_count_has_no_objects(self, engine: parsekit.ParseEngine) -> None:
        seen: list[Any] = []
        engine.cloud.before_find("Deal")(lambda request: seen.append(request.count))
        engine.cloud.after_find("Deal")(lambda request: seen.append(request.objects))
        assert PFQuery("Deal").count() == 3
        assert seen == [True, []]

    def test_distinct_and_aggregate_have_a_hook_before_them_only(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.before_find("Deal")(lambda request: request.query.where_key("n", greater_than=0))
        engine.cloud.after_find("Deal")(lambda request: [])
        with engine.acting_as_master():
            assert sorted(PFQuery("Deal").distinct("n")) == [1, 2]
            assert len(PFQuery("Deal").aggregate([{"$group": {"_id": "$n"}}])) == 3

    def test_a_hook_sees_what_it_writes(self, engine: parsekit.ParseEngine) -> None:
        counts: list[int] = []

        @engine.cloud.after_find("Company")
        def log(request: Any) -> None:
            PFObject("Log", n=1).save()
            counts.append(PFQuery("Log").count())

        deals().find()
        assert counts == [1]
