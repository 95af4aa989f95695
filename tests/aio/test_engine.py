"""The asynchronous engine: contexts, transactions, cancellation, and refusals that say what to write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import parsekit
import parsekit.aio
from parsekit import PFFile, PFObject, PFQuery, PFUser, Principal
from parsekit.errors import EngineError, ObjectNotFoundError

DEALS: PFQuery[Any] = PFQuery("Deal")


def run(action: Callable[[parsekit.aio.AsyncParseEngine], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with parsekit.aio.open(**options) as engine:
            return await action(engine)

    return asyncio.run(main())


def test_the_verbs_of_objects_block_no_loop_and_say_what_to_write() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        for verb, sentence in [
            (DEALS.find, r"await engine\.find\(query\)"),
            (DEALS.count, r"await engine\.count\(query\)"),
            (lambda: next(iter(DEALS.each())), r"async for obj in engine\.each\(query\)"),
            (DEALS.subscribe, r"engine\.subscribe\(query\)"),
            (PFObject("Deal").save, r"await engine\.save\(obj\)"),
            (lambda: PFUser.log_in("a", "b"), r"await engine\.log_in"),
            (PFFile("a.txt", b"x").save, r"await engine\.save_file"),
        ]:
            with pytest.raises(EngineError, match=sentence):
                verb()

    run(act)


def test_a_task_without_the_engine_is_told_so() -> None:
    async def main() -> None:
        engine = parsekit.aio.open()
        with pytest.raises(EngineError, match="not open"):
            await engine.find(DEALS)
        await engine.open()
        with pytest.raises(EngineError, match="does not run under"):
            await engine.find(DEALS)
        with engine.acting_as_master():
            assert await engine.find(DEALS) == []
        await engine.close()

    asyncio.run(main())


def test_each_task_acts_as_its_own_user() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        with engine.acting_as_master():
            for name in ("ann", "bob"):
                deal = PFObject("Deal", title=name)
                deal.acl = _private(name)
                await engine.save(deal)

        async def titles(name: str) -> list[str]:
            with engine.acting_as(Principal.user(name)):
                await asyncio.sleep(0)
                return [deal["title"] for deal in await engine.find(DEALS)]

        assert await asyncio.gather(titles("ann"), titles("bob"), titles("eve")) == [["ann"], ["bob"], []]
        assert await engine.find(DEALS) == []

    run(act)


def _private(user: str) -> parsekit.PFACL:
    acl = parsekit.PFACL()
    acl.set_read_access(True, for_user_id=user)
    return acl


def test_logging_in_is_the_tasks_own_affair() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        ann = await engine.sign_up("ann", password="secret")
        assert engine.current_user == ann
        token = ann.session_token

        async def somebody() -> tuple[str | None, str | None]:
            before = engine.current_user
            await engine.log_out()
            return before and before.object_id, engine.current_user and engine.current_user.object_id

        assert await asyncio.create_task(somebody()) == (ann.object_id, None)
        assert engine.current_user == ann
        with pytest.raises(parsekit.ParseError) as caught:
            await engine.become(str(token))
        assert caught.value.code == 209
        again = await engine.log_in("ann", "secret")
        assert engine.current_user == again
        assert (await engine.current_session()).session_token == again.session_token

    run(act)


def test_a_transaction_is_all_or_nothing_and_holds_up_other_writers_only() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        order: list[str] = []
        inside, seen = asyncio.Event(), asyncio.Event()

        async def one() -> None:
            async with engine.transaction():
                await engine.save(PFObject("Deal", title="one"))
                assert await engine.count(DEALS) == 1
                inside.set()
                await seen.wait()
                order.append("one")

        async def other() -> None:
            await inside.wait()
            saving = asyncio.create_task(engine.save(PFObject("Deal", title="other")))
            assert await engine.count(DEALS) == 0  # a reader is not held up, and sees what is committed
            seen.set()
            await saving
            order.append("other")

        await asyncio.gather(one(), other())
        assert order == ["one", "other"]
        assert await engine.count(DEALS) == 2
        with pytest.raises(ZeroDivisionError):
            async with engine.transaction():
                await engine.save(PFObject("Deal", title="never"))
                async with engine.transaction():
                    await engine.save(PFObject("Deal", title="nor this"))
                raise ZeroDivisionError
        assert await engine.count(DEALS) == 2

    run(act)


def test_a_task_that_outlives_its_transaction_is_outside_of_it() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        ended = asyncio.Event()

        async def late() -> None:
            await ended.wait()
            await engine.save(PFObject("Deal", title="late"))

        with pytest.raises(ZeroDivisionError):
            async with engine.transaction():
                task = asyncio.create_task(late())
                await engine.save(PFObject("Deal", title="gone"))
                raise ZeroDivisionError
        ended.set()
        await task
        assert [deal["title"] for deal in await engine.find(DEALS)] == ["late"]

    run(act)


def test_cancelling_interrupts_the_statement_that_is_running() -> None:
    """Milliseconds for each of many rows, many times, would be a minute; the loop goes on at once."""

    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        with engine.acting_as_master():
            await engine.save_all([PFObject("Deal", title="a" * 16, n=n) for n in range(300)])
            slow = PFQuery("Deal").where_key("title", matches_regex="(a|aa)+$b")
            slow = PFQuery.or_(*[slow.copy().where_key("n", not_equal_to=-n) for n in range(1, 40)])
            started = asyncio.Event()

            def find() -> list[Any]:
                engine_loop.call_soon_threadsafe(started.set)
                return slow.find()

            engine_loop = asyncio.get_running_loop()
            task = asyncio.create_task(engine.run(find))
            await started.wait()
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 20
            assert await engine.count(DEALS) == 300  # the thread and its connection are as good as new

    run(act, query_time_limit_s=600)


@pytest.mark.parametrize("batches", [0, 1])
def test_cancelling_interrupts_each_which_reads_from_a_connection_of_its_own(batches: int) -> None:
    """While its statement begins, and while it goes on in whatever thread."""

    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        with engine.acting_as_master():
            quick = [PFObject("Deal", title="b") for _ in range(2 * batches)]
            await engine.save_all(quick + [PFObject("Deal", title="a" * 16, n=n) for n in range(300)])
            slow = PFQuery("Deal").where_key("title", matches_regex="(a|aa)+$b")
            parts = [slow.copy().where_key("n", not_equal_to=-n) for n in range(1, 40)]
            slow = PFQuery.or_(PFQuery("Deal").where_key("title", equal_to="b"), *parts)
            got: list[Any] = []
            reached = asyncio.Event()

            async def walk() -> None:
                async for deal in engine.each(slow, batch_size=2):
                    got.append(deal)
                    reached.set()

            task = asyncio.create_task(walk())
            if batches:
                await reached.wait()
            await asyncio.sleep(0.2)
            assert not task.done()
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 20
            assert len(got) == 2 * batches
            assert await engine.count(DEALS) == 300 + 2 * batches

    run(act, query_time_limit_s=600)


def test_a_cancelled_transaction_leaves_nothing_behind() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        saved = asyncio.Event()

        async def work() -> None:
            async with engine.transaction():
                await engine.save(PFObject("Deal", title="half"))
                saved.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await saved.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await engine.count(DEALS) == 0
        await engine.save(PFObject("Deal", title="next"))  # the writers' turn was given back
        assert await engine.count(DEALS) == 1

    run(act)


@pytest.mark.parametrize("rounds", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_writes_cancelled_at_any_moment_are_whole_or_not_there(rounds: int, tmp_path: Path) -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        async def pair(number: int) -> None:
            async with engine.transaction():
                await engine.save(PFObject("Deal", pair=number, half=1))
                await engine.save_all([PFObject("Deal", pair=number, half=half) for half in range(2, 6)])

        for number in range(rounds):
            task = asyncio.create_task(pair(number))
            for _ in range(number % 23):
                await asyncio.sleep(0)
            if number % 3 == 0:
                await asyncio.sleep(number % 7 / 2_000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        found = await engine.find(PFQuery("Deal").limit(10_000))
        counts: dict[int, int] = {}
        for deal in found:
            counts[deal["pair"]] = counts.get(deal["pair"], 0) + 1
        assert set(counts.values()) <= {5}
        assert await engine.check() == []

    run(act, path=tmp_path / "cancelled.db")


def test_each_streams_and_can_be_left() -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        await engine.save_all([PFObject("Deal", n=n) for n in range(25)])
        seen = [deal["n"] async for deal in engine.each(DEALS, batch_size=10)]
        assert seen == list(range(25))
        async for deal in engine.each(DEALS, batch_size=10):
            assert deal["n"] == 0
            break

    run(act)


def test_the_rest_of_the_verbs(tmp_path: Path) -> None:
    async def act(engine: parsekit.aio.AsyncParseEngine) -> None:
        @engine.cloud.define("double")
        def double(request: Any) -> Any:
            return request.params["n"] * 2

        @engine.cloud.job("count")
        def count(request: Any) -> str:
            return str(PFQuery("Deal").count())

        with engine.acting_as_master():
            await engine.create_class("Note", {"text": {"type": "String"}})
            await engine.alter_class("Note", {"rank": {"type": "Number"}})
            assert set(engine.schema.classes["Note"].fields) >= {"text", "rank"}
            await engine.drop_class("Note")
            deal = await engine.save(PFObject("Deal", title="first"))
            position = await engine.last_sequence()
            deal["title"] = "second"
            await engine.save(deal)
            assert len(await engine.history(deal)) == 2
            past = await engine.as_of(position)
            assert (await past.get("Deal", str(deal.object_id)))["title"] == "first"
            assert [await past.count(DEALS), len(await past.find(DEALS))] == [1, 1]
            assert await engine.call_function("double", {"n": 21}) == 42
            job = await engine.run_job("count")
            assert (await engine.get(PFQuery("_JobStatus"), job))["message"] == "1"
            assert await engine.export_file(tmp_path / "Deal.json", [DEALS]) == {"Deal": 1}
            await engine.delete(deal)
            await engine.import_file(tmp_path / "Deal.json")
            assert await engine.distinct(DEALS, "title") == ["second"]
            rows = await engine.aggregate(DEALS, [{"$group": {"_id": None, "n": {"$sum": 1}}}])
            assert rows[0]["n"] == 1
            file = await engine.save_file(PFFile("a.txt", b"hello"))
            deal = await engine.first(DEALS)
            deal["file"] = file
            await engine.save(deal)
            fresh = await engine.fetch(PFObject.without_data("Deal", str(deal.object_id)))
            assert await engine.get_data(fresh["file"]) == b"hello"
            assert await engine.check() == []
            await engine.backup(tmp_path / "copy.db")
            assert "SELECT" in str(await engine.explain(DEALS))
            await engine.purge_class("Deal")
            with pytest.raises(ObjectNotFoundError):
                await engine.first(DEALS)
        async with parsekit.aio.open(tmp_path / "copy.db") as copy:
            assert await copy.count(DEALS) == 1

    run(act, path=tmp_path / "all.db")
