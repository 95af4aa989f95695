"""Cloud code: hooks around writes and reads, their order, their errors; functions, jobs and validators."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit import ParseError, PFObject, PFQuery, PFUser, Principal
from parsekit.cloud import FieldRule, Validator
from parsekit.errors import ClassNameError, ObjectNotFoundError, ScriptError, ValidationError


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open() as engine:
        yield engine


class TestSaves:
    def test_what_a_hook_changes_is_saved_and_learned(self, engine: parsekit.ParseEngine) -> None:
        @engine.cloud.before_save("Deal")
        def double(request: Any) -> None:
            request.object["twice"] = request.object["n"] * 2
            del request.object["gone"]

        deal = PFObject("Deal", n=4, gone=True)
        deal.save()
        assert (deal["twice"], "gone" in deal) == (8, False)
        assert "gone" not in PFQuery("Deal").first()

    def test_the_original_is_the_object_as_it_was(self, engine: parsekit.ParseEngine) -> None:
        seen: list[tuple[Any, Any]] = []

        @engine.cloud.before_save("Deal")
        def note(request: Any) -> None:
            seen.append((request.original and request.original["n"], request.object["n"]))

        deal = PFObject("Deal", n=1)
        deal.save()
        deal.increment_key("n", by_amount=4)
        deal.save()
        assert seen == [(None, 1), (1, 5)]

    def test_a_parse_error_crosses_unchanged(self, engine: parsekit.ParseEngine) -> None:
        refusal = ValidationError("never")

        @engine.cloud.before_save("Deal")
        def refuse(request: Any) -> None:
            raise refusal

        deal = PFObject("Deal", n=1)
        with pytest.raises(ValidationError) as caught:
            deal.save()
        assert caught.value is refusal
        assert deal.dirty_keys == ["n"]
        assert PFQuery("Deal").count() == 0

    def test_any_other_error_is_a_failed_script(self, engine: parsekit.ParseEngine) -> None:
        @engine.cloud.before_save("Deal")
        def fail(request: Any) -> None:
            raise ZeroDivisionError("boom")

        with pytest.raises(ScriptError, match="boom") as caught:
            PFObject("Deal").save()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    def test_nested_saves_go_with_the_transaction(self, engine: parsekit.ParseEngine) -> None:
        @engine.cloud.before_save("Deal")
        def log(request: Any) -> None:
            PFObject("Log", n=request.object["n"]).save()
            if request.object["n"] < 0:
                raise ValidationError("negative")

        PFObject("Deal", n=1).save()
        with pytest.raises(ValidationError):
            PFObject("Deal", n=-1).save()
        assert [entry["n"] for entry in PFQuery("Log").find()] == [1]

    def test_after_save_waits_for_the_commit_and_shares_the_context(
        self, engine: parsekit.ParseEngine
    ) -> None:
        seen: list[Any] = []

        @engine.cloud.before_save("Deal")
        def before(request: Any) -> None:
            request.context["from"] = "before"

        @engine.cloud.after_save("Deal")
        def after(request: Any) -> None:
            seen.append((request.object["n"], request.context["from"], PFQuery("Deal").count()))

        with engine.transaction():
            PFObject("Deal", n=1).save()
            PFObject("Deal", n=2).save()
            assert seen == []
        assert seen == [(1, "before", 2), (2, "before", 2)]

    def test_a_rolled_back_save_has_no_after(self, engine: parsekit.ParseEngine) -> None:
        seen: list[Any] = []
        engine.cloud.after_save("Deal")(seen.append)
        with pytest.raises(RuntimeError), engine.transaction():
            PFObject("Deal", n=1).save()
            raise RuntimeError
        assert seen == []

    def test_a_failing_after_hook_is_logged(
        self, engine: parsekit.ParseEngine, caplog: pytest.LogCaptureFixture
    ) -> None:
        @engine.cloud.after_save("Deal")
        def fail(request: Any) -> None:
            raise ValueError("late")

        with caplog.at_level(logging.ERROR, "parsekit.cloud"):
            PFObject("Deal", n=1).save()
        assert "afterSave of Deal" in caplog.text

    def test_each_object_of_a_batch_meets_its_hook_once(self, engine: parsekit.ParseEngine) -> None:
        seen: list[int] = []

        @engine.cloud.before_save("Deal")
        def note(request: Any) -> None:
            seen.append(request.object["n"])
            if request.object["n"] == 2:
                raise ValidationError("not two")

        with pytest.raises(ParseError):
            PFObject.save_all([PFObject("Deal", n=number) for number in (1, 2, 3)])
        assert seen == [1, 2, 3]
        assert sorted(deal["n"] for deal in PFQuery("Deal").find()) == [1, 3]

    def test_hooks_run_under_the_caller(self, engine: parsekit.ParseEngine) -> None:
        seen: list[Any] = []

        @engine.cloud.before_save("Deal")
        def note(request: Any) -> None:
            seen.append((request.master, request.user))

        PFObject("Deal").save()
        with engine.acting_as_master():
            PFObject("Deal").save()
        assert seen == [(False, None), (True, None)]


class TestDeletes:
    def test_before_and_after(self, engine: parsekit.ParseEngine) -> None:
        gone: list[Any] = []

        @engine.cloud.before_delete("Deal")
        def keep(request: Any) -> None:
            if request.object.get("kept"):
                raise ValidationError("kept")

        @engine.cloud.after_delete("Deal")
        def note(request: Any) -> None:
            gone.append(request.object["n"])

        kept, other = PFObject("Deal", n=1, kept=True), PFObject("Deal", n=2)
        PFObject.save_all([kept, other])
        with pytest.raises(ValidationError):
            kept.delete()
        other.delete()
        assert gone == [2]
        assert PFQuery("Deal").find() == [kept]


class TestFinds:
    def test_before_find_narrows_and_after_find_replaces(self, engine: parsekit.ParseEngine) -> None:
        deals = [PFObject("Deal", n=number) for number in range(4)]
        PFObject.save_all(deals)

        @engine.cloud.before_find("Deal")
        def narrow(request: Any) -> None:
            request.query.where_key("n", greater_than=0)

        @engine.cloud.after_find("Deal")
        def replace(request: Any) -> Any:
            return [obj for obj in request.objects if obj["n"] != 2]

        assert [obj["n"] for obj in PFQuery("Deal").order_by_ascending("n").find()] == [1, 3]
        assert PFQuery("Deal").count() == 3
        with pytest.raises(ObjectNotFoundError):
            PFQuery("Deal").get(str(deals[0].object_id))
        assert PFQuery("Deal").get(str(deals[1].object_id))["n"] == 1


class TestUsers:
    def test_log_in_and_log_out(self, engine: parsekit.ParseEngine) -> None:
        seen: list[str] = []

        @engine.cloud.before_login()
        def before(request: Any) -> None:
            seen.append(f"before {request.object.username}")
            if request.object.get("blocked"):
                raise ValidationError("blocked")

        @engine.cloud.after_login()
        def after(request: Any) -> None:
            seen.append(f"after {request.object.username}")

        @engine.cloud.after_logout()
        def out(request: Any) -> None:
            seen.append(f"out {request.object.class_name}")

        ada = PFUser.sign_up("ada", password="secret")
        PFUser.log_in("ada", "secret")
        PFUser.log_out()
        assert seen == ["before ada", "after ada", "out _Session"]
        with engine.acting_as_master():
            ada["blocked"] = True
            ada.save()
        with pytest.raises(ValidationError):
            PFUser.log_in("ada", "secret")
        assert seen[3:] == ["before ada"]


class TestFunctions:
    def test_a_function_answers(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.define("add")(lambda request: request.params["a"] + request.params["b"])
        assert engine.hooks.call_function("add", {"a": 1, "b": 2}, Principal.anonymous(), {}) == 3

    def test_an_unknown_function(self, engine: parsekit.ParseEngine) -> None:
        with pytest.raises(ScriptError, match='Invalid function: "nope"'):
            engine.hooks.call_function("nope", {}, Principal.anonymous(), {})

    @pytest.mark.parametrize(
        ("rule", "params", "text"),
        [
            (["a"], {}, "Please specify data for a."),
            ({"a": FieldRule(type=int)}, {"a": "x"}, "Invalid type for a. Expected: number"),
            ({"a": FieldRule(options=[1, 2])}, {"a": 3}, "Invalid option for a. Expected: 1, 2"),
            ({"a": FieldRule(options=lambda value: value > 1, error="too small")}, {"a": 1}, "too small"),
        ],
    )
    def test_validators(self, engine: parsekit.ParseEngine, rule: Any, params: Any, text: str) -> None:
        engine.cloud.define("f", Validator(fields=rule))(lambda request: "ran")
        with pytest.raises(ValidationError) as caught:
            engine.hooks.call_function("f", params, Principal.anonymous(), {})
        assert text in caught.value.message
        assert engine.hooks.call_function("f", params, Principal.master(), {}) == "ran"

    def test_a_user_may_be_required(self, engine: parsekit.ParseEngine) -> None:
        engine.cloud.define("f", Validator(require_user=True))(lambda request: "ran")
        with pytest.raises(ValidationError, match="Please login to continue"):
            engine.hooks.call_function("f", {}, Principal.anonymous(), {})

    def test_a_job_reports_its_end(self, engine: parsekit.ParseEngine) -> None:
        @engine.cloud.job("good")
        def good(request: Any) -> str:
            request.message("half way")
            return "done"

        @engine.cloud.job("bad")
        def bad(request: Any) -> None:
            raise ValueError("broken")

        entries = [
            engine.get_object(
                "_JobStatus", engine.jobs.run(name, {"n": 1}, Principal.master()), Principal.master()
            )
            for name in ("good", "bad")
        ]
        assert [(entry["status"], entry["message"]) for entry in entries] == [
            ("succeeded", "done"),
            ("failed", "broken"),
        ]


def test_classes_without_a_trigger(engine: parsekit.ParseEngine) -> None:
    with pytest.raises(ClassNameError):
        engine.cloud.before_save("_Session")
