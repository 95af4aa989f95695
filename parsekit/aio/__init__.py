"""The asynchronous engine: the same queries, objects and errors, awaited.

::

    async with parsekit.aio.open("app.db") as engine:
        deals = await engine.find(PFQuery("Deal").where_key("stage", equal_to="won"))
        async for event in engine.subscribe(PFQuery("Deal")):
            ...

There is one implementation, the synchronous engine; what is awaited runs in its threads (``workers``). Queries and
objects are the same classes; their own verbs (``query.find()``) refuse in a task that runs under an asynchronous engine
and say what to write instead. Law L9: both engines give equal results and equal errors.
"""

from parsekit.aio.engine import AsyncParseEngine, open_engine
from parsekit.aio.live import AsyncObserved, AsyncSubscription
from parsekit.aio.past import AsyncPastView

open = open_engine

__all__ = ["AsyncObserved", "AsyncParseEngine", "AsyncPastView", "AsyncSubscription", "open"]
