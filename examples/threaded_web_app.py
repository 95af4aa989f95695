"""A threaded web app on the standard library: a pipeline over HTTP, each request under its own user.

    POST /signup {"username": ..., "password": ...}   -> {"token": ...}
    POST /deals {"title": ..., "amount": ...}         -> the deal, as its owner's
    GET  /deals?stage=lead                            -> the deals that the caller may see
    GET  /events?after=SEQUENCE                       -> what has happened since, waiting for up to ten seconds

A session token goes in the header ``Authorization: Bearer TOKEN``. Run it: ``python examples/threaded_web_app.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import crm_schema
import parsekit
from parsekit import PFACL, ParseError, PFObject, PFQuery, PFUser, Principal

WAIT_S = 10.0


class WebApp:
    """A WSGI application. One engine serves all threads; a request enters it as its caller."""

    def __init__(self, engine: parsekit.ParseEngine) -> None:
        self.engine = engine
        self.routes: dict[tuple[str, str], Callable[..., Any]] = {
            ("POST", "/signup"): self.sign_up,
            ("GET", "/deals"): self.deals,
            ("POST", "/deals"): self.create,
            ("GET", "/events"): self.events,
        }

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, answer = self.answered(environ)
        body = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def answered(self, environ: dict[str, Any]) -> tuple[HTTPStatus, Any]:
        route = self.routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if route is None:
            return HTTPStatus.NOT_FOUND, {"error": "there is no such page"}
        length = int(environ.get("CONTENT_LENGTH") or 0)
        sent = environ["wsgi.input"].read(length)
        asked = {key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        try:
            with self.engine.acting_as(self.caller(environ)):
                return HTTPStatus.OK, route(**(json.loads(sent) if sent else {}), **asked)
        except ParseError as error:
            return HTTPStatus.BAD_REQUEST, {"code": error.code, "error": error.message}
        except (TypeError, ValueError) as error:
            return HTTPStatus.BAD_REQUEST, {"error": str(error)}

    def caller(self, environ: dict[str, Any]) -> Principal:
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        return self.engine.principal_for_session(token) if scheme == "Bearer" else Principal.anonymous()

    def sign_up(self, username: str, password: str) -> Any:
        return {"token": PFUser.sign_up(username, password=password).session_token}

    def deals(self, stage: str | None = None) -> Any:
        query = PFQuery("Deal").order_by_descending("amount")
        if stage is not None:
            query.where_key("stage", equal_to=stage)
        return [deal.to_json() for deal in query.find()]

    def create(self, title: str, amount: float) -> Any:
        owner = PFUser.current()
        if owner is None:
            raise ParseError("sign up first", code=206)
        deal = PFObject("Deal", title=title, amount=amount, stage="lead", assignedTo=owner)
        deal.acl = PFACL.with_user(owner)
        deal.save()
        return deal.to_json()

    def events(self, after: str) -> Any:
        with PFQuery("Deal").subscribe(resume_from=int(after)) as subscription:
            if subscription.resume_gap is not None:
                return {"events": [], "next": self.engine.last_sequence, "gap": subscription.resume_gap}
            first = subscription.next(WAIT_S)
            events = [] if first is None else [first, *subscription.pending()]
        shown = [{"event": event.kind, "object": event.object.to_json()} for event in events]
        return {"events": shown, "next": events[-1].resume_from if events else int(after)}


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """One thread a request."""

    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    """Without a line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def serving(engine: parsekit.ParseEngine, port: int = 0) -> WSGIServer:
    """A server for the app; ``serve_forever()`` runs it."""
    return make_server(
        "127.0.0.1", port, WebApp(engine), server_class=ThreadingServer, handler_class=QuietHandler
    )


if __name__ == "__main__":
    with parsekit.open(sys.argv[1] if sys.argv[1:] else "pipeline.db", schema=crm_schema.SCHEMA) as opened:
        server = serving(opened, 8000)
        print("http://127.0.0.1:8000/deals")
        server.serve_forever()
