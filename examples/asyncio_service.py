"""An asyncio service: clients send lines of JSON over TCP, and hear of the deals of a stage while others move them.

    {"do": "save", "title": "Acme", "stage": "lead"}     -> {"saved": OBJECT_ID}
    {"do": "move", "id": OBJECT_ID, "stage": "won"}      -> {"saved": OBJECT_ID}
    {"do": "watch", "stage": "won"}                      -> {"event": "enter", "deal": {...}}, ... until it hangs up

One task a client, one engine for all. Run it: ``python examples/asyncio_service.py``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import parsekit.aio
from parsekit import ParseError, PFObject, PFQuery, Principal


class Service:
    """The clients of one engine."""

    def __init__(self, engine: parsekit.aio.AsyncParseEngine) -> None:
        self.engine = engine

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it hangs up; what it watches ends with it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                with self.engine.acting_as(Principal.anonymous()):
                    async for line in reader:
                        answer = await self.answered(json.loads(line), writer, tasks)
                        await say(writer, answer)
                    raise ConnectionResetError
        except* ConnectionError:
            pass  # it hung up, and what it watched was cancelled
        finally:
            writer.close()

    async def answered(self, asked: Any, writer: asyncio.StreamWriter, tasks: asyncio.TaskGroup) -> Any:
        try:
            match asked:
                case {"do": "save", **fields}:
                    deal = await self.engine.save(PFObject("Deal", **fields))
                    return {"saved": deal.object_id}
                case {"do": "move", "id": identity, "stage": stage}:
                    deal = PFObject.without_data("Deal", identity)
                    deal["stage"] = stage
                    await self.engine.save(deal)
                    return {"saved": deal.object_id}
                case {"do": "watch", "stage": stage}:
                    events = self.engine.subscribe(PFQuery("Deal").where_key("stage", equal_to=stage))
                    await events.__aenter__()
                    tasks.create_task(self.watching(events, writer))
                    return {"watching": stage}
        except ParseError as error:
            return {"code": error.code, "error": error.message}
        return {"error": "do save, move or watch"}

    async def watching(self, events: parsekit.aio.AsyncSubscription, writer: asyncio.StreamWriter) -> None:
        """Tell a client of events until it is cancelled."""
        try:
            async for event in events:
                await say(writer, {"event": event.kind, "deal": event.object.to_json()})
        finally:
            await events.close()


async def say(writer: asyncio.StreamWriter, answer: Any) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


async def serve(path: str, port: int) -> None:
    async with parsekit.aio.open(path) as engine:
        server = await asyncio.start_server(Service(engine).client, "127.0.0.1", port)
        print("port", server.sockets[0].getsockname()[1], flush=True)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1] if sys.argv[1:] else "pipeline.db", 8001))
