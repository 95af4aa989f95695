"""Push notifications: whom a push is for, and what became of it (PushController, StatusHandler).

parsekit sends nothing itself: installations with a device token are handed to the ``PushAdapter`` of the options,
page by page, and what it reports is counted in the push's ``_PushStatus``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.codec import JSON, dumps, format_date
from parsekit.errors import ParseError, parse_error
from parsekit.operations import Increment, Operation, OperationSet, Set
from parsekit.query.ast import And, Constraint, Node
from parsekit.query.state import QueryState
from parsekit.query.where import decode_query

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["Push", "PushAdapter", "PushResult"]

_PAGE: Final = 100
_WITH_ZONE: Final = re.compile(r".+([+-]\d\d:\d\d|Z)$")


@final
@attrs.frozen(slots=True)
class PushResult:
    """What became of a push to one device."""

    device_type: str
    device_token: str
    transmitted: bool
    error: str | None = None


class PushAdapter(Protocol):
    """Sends pushes to devices."""

    def send(
        self, body: Mapping[str, JSON], installations: Sequence[Mapping[str, JSON]]
    ) -> Sequence[PushResult]:
        """Send to installations, each in its REST form. What it raises ends the push as failed."""


@final
class Push:
    """The pushes of an engine. Only masters send; who may call is the route's affair."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    @property
    def is_possible(self) -> bool:
        """Whether there is anybody to send."""
        return self._engine.options.push is not None

    def send(self, given: Mapping[str, JSON], where: Mapping[str, JSON]) -> str:
        """Send a push to the installations that match; the objectId of its ``_PushStatus``, which says how it ended.

        Raises:
            ParseError: 115, there is no adapter, or the push is not well put. InvalidQueryError: 102 and others.
        """
        adapter = self._engine.options.push
        if adapter is None:
            raise parse_error(115, "Missing push configuration")
        body = self._checked(dict(given))
        status = self._begin(body, where)
        try:
            asked = decode_query("_Installation", {"where": dict(where)}).state.where
            targets = And((asked, Constraint("deviceToken", "$exists", True)))
            self._update_badges(body, targets)
            self._note_audience(body)
            results = [result for page in self._pages(targets) for result in adapter.send(body, page)]
        except ParseError as error:
            self._note(status, {"status": Set("failed"), "errorMessage": Set({"message": error.message})})
            return status
        self._end(status, results)
        return status

    # -- the request -----------------------------------------------------------------------------

    def _checked(self, body: dict[str, JSON]) -> dict[str, JSON]:
        expires, interval = "expiration_time" in body, "expiration_interval" in body
        if expires:
            body["expiration_time"] = _milliseconds(body["expiration_time"])
        if interval:
            seconds = body["expiration_interval"]
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
                raise parse_error(115, "expiration_interval must be a number greater than 0")
            if expires:
                raise parse_error(115, "Both expiration_time and expiration_interval cannot be set")
        if "push_time" in body:
            given = body["push_time"]
            moment = _moment(given)
            text = format_date(moment)
            has_zone = isinstance(given, str) and _WITH_ZONE.fullmatch(given)
            body["push_time"] = text if has_zone else text.removesuffix("Z")
        if interval and not expires:
            start = _moment(body["push_time"]) if "push_time" in body else self._engine.options.clock()
            end = start + timedelta(seconds=body["expiration_interval"])
            body["expiration_time"] = int(end.timestamp() * 1000)
        return body

    def _begin(self, body: Mapping[str, JSON], where: Mapping[str, JSON]) -> str:
        data = body.get("data")
        alert = data.get("alert") if isinstance(data, dict) else None
        hashed = "" if alert is None else alert if isinstance(alert, str) else dumps(alert)
        fields: dict[str, Any] = {
            "pushTime": format_date(self._engine.options.clock()),
            "query": dumps(dict(where)),
            "payload": dumps(data if isinstance(data, dict) else {}),
            "source": "rest",
            "status": "pending",
            "numSent": 0,
            "pushHash": hashlib.md5(hashed.encode(), usedforsecurity=False).hexdigest(),
            "ACL": {},
        }
        if isinstance(body.get("title"), str):
            fields["title"] = body["title"]
        operations = OperationSet()
        for key, value in fields.items():
            operations.perform(key, Set(value))
        # SAFETY: only a master's request comes here, and clients may not write the class.
        return self._engine.direct.create("_PushStatus", operations, Principal.master()).object_id

    # -- sending ---------------------------------------------------------------------------------

    def _pages(self, targets: Node) -> Iterator[list[dict[str, JSON]]]:
        page: list[dict[str, JSON]] = []
        state = QueryState("_Installation", targets, limit=-1)
        # SAFETY: a push goes to every installation that matches; only its sender's adapter sees them.
        for obj in self._engine.reads.find(state, Principal.master(), None):
            page.append(obj.to_fields_json())
            if len(page) == _PAGE:
                yield page
                page = []
        if page:
            yield page

    def _update_badges(self, body: Mapping[str, JSON], targets: Node) -> None:
        data = body.get("data")
        badge = data.get("badge") if isinstance(data, dict) else None
        if not badge:
            return
        operations = OperationSet()
        operations.perform("badge", _badge_change(badge))
        state = QueryState("_Installation", targets, limit=-1)
        # SAFETY: as in _pages.
        master = Principal.master()
        with self._engine.store.write() as connection:
            for obj in self._engine.reads.find(state, master, None):
                self._engine.writes.update_plainly(
                    connection,
                    "_Installation",
                    str(obj.object_id),
                    operations,
                    self._engine.view(master),
                    hooked=False,
                )
        self._engine.after_commit()

    def _note_audience(self, body: Mapping[str, JSON]) -> None:
        audience = body.get("audience_id")
        if not isinstance(audience, str):
            return
        operations = OperationSet()
        operations.perform("lastUsed", Set(self._engine.options.clock()))
        operations.perform("timesUsed", Increment(1))
        # SAFETY: only a master's request comes here.
        self._engine.direct.update("_Audience", audience, operations, Principal.master())

    def _end(self, status: str, results: Sequence[PushResult]) -> None:
        sent = Counter(result.device_type for result in results if result.transmitted)
        failed = Counter(result.device_type for result in results if not result.transmitted)
        changes: dict[str, Operation] = {"status": Set("succeeded"), "numSent": Set(sent.total())}
        if failed:
            changes["numFailed"] = Set(failed.total())
            changes["failedPerType"] = Set(dict(failed))
        if sent:
            changes["sentPerType"] = Set(dict(sent))
        self._note(status, changes)

    def _note(self, status: str, changes: Mapping[str, Operation]) -> None:
        operations = OperationSet()
        for key, change in changes.items():
            operations.perform(key, change)
        # SAFETY: only a master's request comes here, and clients may not write the class.
        self._engine.direct.update("_PushStatus", status, operations, Principal.master())


def _badge_change(badge: JSON) -> Operation:
    if isinstance(badge, str) and badge.lower() == "increment":
        return Increment(1)
    if isinstance(badge, dict) and str(badge.get("__op")).lower() == "increment":
        amount = badge.get("amount")
        if isinstance(amount, int | float) and amount:
            return Increment(amount)
    elif isinstance(badge, int | float):
        return Set(badge)
    raise parse_error(115, "Invalid value for badge, expected number or 'Increment' or {increment: number}")


def _milliseconds(given: JSON) -> int:
    return int(_moment(given).timestamp() * 1000)


def _moment(given: JSON) -> datetime:
    """A time of a push: seconds since 1970, or ISO text, which is UTC where it says nothing else."""
    try:
        if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
            return datetime.fromtimestamp(given, UTC)
        if isinstance(given, str):
            moment = datetime.fromisoformat(given)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise parse_error(115, f"{given} is not valid time.")
