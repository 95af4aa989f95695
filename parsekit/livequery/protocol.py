"""The LiveQuery protocol as data: every message of Parse's WebSocket protocol, both ways. No sockets.

A server parses what clients send (``parse_request``) and writes what they receive (``to_json``); a client does it the
other way around (``parse_answer``). Frames are JSON texts (parse_server.md section 8, W1-W6 and W16)::

    client -> server    connect   subscribe   update   unsubscribe
    server -> client    connected   subscribed   unsubscribed   create/update/enter/leave/delete   error

An extension, for clients that want to lose nothing while they are away: a ``subscribe`` with ``resumeFrom`` (a
sequence number, or ``null`` for none yet) is answered with sequence numbers, and the last one handled is what to
resume from.

What a subscription means is said elsewhere (``subscription``, ``dispatcher``); objects stay REST JSON here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias, cast, final

from parsekit import attrs
from parsekit.codec import JSON, dumps, loads
from parsekit.errors import ParseError
from parsekit.livequery.events import EventKind
from parsekit.query.dialect import Dialect
from parsekit.query.state import QueryState
from parsekit.query.where import decode_live_where, decode_where

__all__ = [
    "Answer",
    "Connect",
    "Connected",
    "ObjectEvent",
    "ProtocolError",
    "ProtocolProblem",
    "Request",
    "Subscribe",
    "Subscribed",
    "SubscribedQuery",
    "Unsubscribe",
    "Unsubscribed",
    "parse_answer",
    "parse_request",
    "state_of",
    "to_json",
    "to_text",
]

SCHEMA_VIOLATION: Final = 1
UNKNOWN_SUBSCRIPTION: Final = 2
UNKNOWN_OPERATION: Final = 3
WRONG_KEY: Final = 4
_EVENTS: Final = frozenset({"create", "enter", "update", "leave", "delete"})


def _wire(name: str) -> dict[str, str]:
    return {"wire": name}


@final
@attrs.frozen(slots=True, kw_only=True)
class Connect:
    """W1. The first message of a client; keys and tokens are secrets and left out of ``repr``."""

    op: ClassVar[str] = "connect"
    application_id: str = attrs.field(metadata=_wire("applicationId"))
    javascript_key: str | None = attrs.field(default=None, repr=False, metadata=_wire("javascriptKey"))
    master_key: str | None = attrs.field(default=None, repr=False, metadata=_wire("masterKey"))
    client_key: str | None = attrs.field(default=None, repr=False, metadata=_wire("clientKey"))
    windows_key: str | None = attrs.field(default=None, repr=False, metadata=_wire("windowsKey"))
    rest_key: str | None = attrs.field(default=None, repr=False, metadata=_wire("restAPIKey"))
    session_token: str | None = attrs.field(default=None, repr=False, metadata=_wire("sessionToken"))
    installation_id: str | None = attrs.field(default=None, metadata=_wire("installationId"))


@final
@attrs.frozen(slots=True, kw_only=True)
class SubscribedQuery:
    """What a subscription asks: ``where`` in REST JSON, ``keys`` to send, keys to ``watch``; ``None``: not stated."""

    class_name: str
    where: Mapping[str, JSON]
    keys: tuple[str, ...] | None = None
    watch: tuple[str, ...] | None = None


@final
@attrs.frozen(slots=True, kw_only=True)
class Subscribe:
    """W3. ``replaces`` is the message ``update``: the subscription of this number is replaced silently.

    ``numbered`` says that the client wants sequence numbers, ``resume_from`` which one it has handled last.
    """

    request_id: int
    query: SubscribedQuery
    session_token: str | None = attrs.field(default=None, repr=False)
    replaces: bool = False
    numbered: bool = False
    resume_from: int | None = None

    @property
    def op(self) -> str:
        """``subscribe`` or ``update``."""
        return "update" if self.replaces else "subscribe"


@final
@attrs.frozen(slots=True, kw_only=True)
class Unsubscribe:
    """W5."""

    op: ClassVar[str] = "unsubscribe"
    request_id: int = attrs.field(metadata=_wire("requestId"))


@final
@attrs.frozen(slots=True, kw_only=True)
class Connected:
    """W2."""

    op: ClassVar[str] = "connected"
    client_id: str = attrs.field(metadata=_wire("clientId"))
    installation_id: str | None = attrs.field(default=None, metadata=_wire("installationId"))


@final
@attrs.frozen(slots=True, kw_only=True)
class Subscribed:
    """W4: the answer to ``subscribe`` and to ``update``.

    To a client that asked for sequence numbers also the one from which events count and, where they cannot be told from
    the one it had, why not (``gap``), and the query's result to begin anew with.
    """

    op: ClassVar[str] = "subscribed"
    client_id: str = attrs.field(metadata=_wire("clientId"))
    request_id: int = attrs.field(metadata=_wire("requestId"))
    installation_id: str | None = attrs.field(default=None, metadata=_wire("installationId"))
    sequence: int | None = attrs.field(default=None, metadata=_wire("sequence"))
    gap: str | None = attrs.field(default=None, metadata=_wire("gap"))
    results: list[JSON] | None = attrs.field(default=None, metadata=_wire("results"))


@final
@attrs.frozen(slots=True, kw_only=True)
class Unsubscribed:
    """W4: the answer to ``unsubscribe``."""

    op: ClassVar[str] = "unsubscribed"
    client_id: str = attrs.field(metadata=_wire("clientId"))
    request_id: int = attrs.field(metadata=_wire("requestId"))
    installation_id: str | None = attrs.field(default=None, metadata=_wire("installationId"))


@final
@attrs.frozen(slots=True, kw_only=True)
class ObjectEvent:
    """W6. ``object`` and ``original`` are REST JSON with ``className`` and ``__type``.

    ``sequence`` is what to resume from once the event is handled, for clients that asked for such numbers.
    """

    op: EventKind
    client_id: str = attrs.field(metadata=_wire("clientId"))
    request_id: int = attrs.field(metadata=_wire("requestId"))
    object: Mapping[str, JSON] = attrs.field(metadata=_wire("object"))
    original: Mapping[str, JSON] | None = attrs.field(default=None, metadata=_wire("original"))
    sequence: int | None = attrs.field(default=None, metadata=_wire("sequence"))


@final
@attrs.frozen(slots=True, kw_only=True)
class ProtocolError:
    """W16. ``reconnect`` tells the client whether connecting again may help."""

    op: ClassVar[str] = "error"
    code: int = attrs.field(metadata=_wire("code"))
    error: str = attrs.field(metadata=_wire("error"))
    reconnect: bool = attrs.field(default=True, metadata=_wire("reconnect"))
    request_id: int | None = attrs.field(default=None, metadata=_wire("requestId"))


Request: TypeAlias = Connect | Subscribe | Unsubscribe
Answer: TypeAlias = Connected | Subscribed | Unsubscribed | ObjectEvent | ProtocolError


class ProtocolProblem(ParseError):  # noqa: N818 - ProtocolError is the message that answers it
    """A frame that is no message: code 1 (malformed) or 3 (unknown operation). ``answer`` is what to send back."""

    default_code = SCHEMA_VIOLATION

    def __init__(
        self, message: str, *, code: int | None = None, hint: str | None = None, request_id: int | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.request_id = request_id

    @property
    def answer(self) -> ProtocolError:
        """The error message for the client."""
        return ProtocolError(code=self.code, error=self.message, request_id=self.request_id)


def state_of(query: SubscribedQuery, dialect: Dialect = Dialect.SERVER) -> QueryState:
    """What a subscription asks, for ``engine.live.subscribe``; its ``watch`` goes beside it.

    Under ``Dialect.SERVER`` live events agree with what a find returns. ``Dialect.LIVE_MATCHER`` is Parse's own
    matcher, which answers some conditions differently (a missing key passes ``$lt``) and refuses none.

    Raises:
        ParseError: as a find refuses the conditions; under ``Dialect.SERVER`` only.
    """
    where = dict(query.where)
    node = decode_live_where(where) if dialect == Dialect.LIVE_MATCHER else decode_where(where)
    return QueryState(query.class_name, node, keys=query.keys, dialect=dialect)


# --- writing ---


def to_json(message: Request | Answer) -> dict[str, JSON]:
    """The message as JSON; what is ``None`` is left out."""
    if isinstance(message, Subscribe):
        return _subscribe_json(message)
    json: dict[str, JSON] = {"op": message.op}
    for item in attrs.fields(type(message)):
        value = getattr(message, item.name)
        if "wire" in item.metadata and value is not None:
            json[item.metadata["wire"]] = dict(value) if isinstance(value, Mapping) else value
    return json


def _subscribe_json(message: Subscribe) -> dict[str, JSON]:
    asked = message.query
    query: dict[str, JSON] = {"className": asked.class_name, "where": dict(asked.where)}
    if asked.keys is not None:
        query["keys"] = list(asked.keys)
    if asked.watch is not None:
        query["watch"] = list(asked.watch)
    json: dict[str, JSON] = {"op": message.op, "requestId": message.request_id, "query": query}
    if message.session_token is not None:
        json["sessionToken"] = message.session_token
    if message.numbered:
        json["resumeFrom"] = message.resume_from
    return json


def to_text(message: Request | Answer) -> str:
    """The message as a text frame."""
    return dumps(to_json(message))


# --- parsing ---


def parse_request(frame: str | bytes | Mapping[str, JSON]) -> Request:
    """What a client sends.

    Raises:
        ProtocolProblem: 1, malformed; 3, an operation that there is not.
    """
    json = _frame(frame)
    match json.get("op"):
        case "connect":
            return cast(Connect, _read(Connect, json))
        case "subscribe" | "update":
            return _read_subscribe(json)
        case "unsubscribe":
            return cast(Unsubscribe, _read(Unsubscribe, json))
    raise ProtocolProblem("Get unknown operation", code=UNKNOWN_OPERATION, request_id=_number(json))


def parse_answer(frame: str | bytes | Mapping[str, JSON]) -> Answer:
    """What a server sends.

    Raises:
        ProtocolProblem: 1, malformed; 3, an operation that there is not.
    """
    json = _frame(frame)
    op = json.get("op")
    if isinstance(op, str) and op in _EVENTS:
        return cast(ObjectEvent, _read(ObjectEvent, json, op=op))
    kinds: dict[Any, type[Any]] = {
        "connected": Connected,
        "subscribed": Subscribed,
        "unsubscribed": Unsubscribed,
        "error": ProtocolError,
    }
    kind = kinds.get(op) if isinstance(op, str) else None
    if kind is None:
        raise ProtocolProblem("Get unknown operation", code=UNKNOWN_OPERATION, request_id=_number(json))
    answer: Answer = _read(kind, json)
    return answer


def _frame(frame: str | bytes | Mapping[str, JSON]) -> Mapping[str, JSON]:
    if isinstance(frame, Mapping):
        return frame
    try:
        json = loads(frame)
    except ParseError as error:
        raise ProtocolProblem("the frame is not JSON", hint=error.message) from error
    if not isinstance(json, dict):
        raise ProtocolProblem("the frame is not a JSON object")
    return json


def _number(json: Mapping[str, JSON]) -> int | None:
    number = json.get("requestId")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


_CHECKS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "requestId": ("a number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "code": ("a number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "reconnect": ("a boolean", lambda value: isinstance(value, bool)),
    "sequence": ("a number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "results": ("a list", lambda value: isinstance(value, list)),
    "object": ("an object", lambda value: isinstance(value, Mapping)),
    "original": ("an object", lambda value: isinstance(value, Mapping)),
}


def _read(kind: type[Any], json: Mapping[str, JSON], **given: Any) -> Any:
    """The message of a kind; properties that it does not have are refused, as Parse's JSON schemas do."""
    values: dict[str, Any] = dict(given)
    known = {"op"}
    for item in attrs.fields(kind):
        name = item.metadata.get("wire")
        if name is None:
            continue
        known.add(name)
        value = json.get(name)
        if value is None:
            if item.default is attrs.NOTHING:
                raise ProtocolProblem(f"{json['op']}: {name} is missing", request_id=_number(json))
            continue
        expected, holds = _CHECKS.get(name, ("a string", lambda value: isinstance(value, str)))
        if not holds(value):
            raise ProtocolProblem(f"{json['op']}: {name} must be {expected}", request_id=_number(json))
        values[item.name] = value
    _refuse_others(json, known)
    return kind(**values)


def _refuse_others(json: Mapping[str, JSON], known: set[str]) -> None:
    others = sorted(set(json) - known)
    if others:
        raise ProtocolProblem(f"{json['op']}: there is no property {others[0]}", request_id=_number(json))


def _read_subscribe(json: Mapping[str, JSON]) -> Subscribe:
    number = _number(json)
    query = json.get("query")
    token = json.get("sessionToken")
    if number is None:
        raise ProtocolProblem(f"{json['op']}: requestId must be a number")
    if not isinstance(query, Mapping):
        raise ProtocolProblem(f"{json['op']}: query must be an object", request_id=number)
    if token is not None and not isinstance(token, str):
        raise ProtocolProblem(f"{json['op']}: sessionToken must be a string", request_id=number)
    resume_from = json.get("resumeFrom")
    if resume_from is not None and (not isinstance(resume_from, int) or isinstance(resume_from, bool)):
        raise ProtocolProblem(f"{json['op']}: resumeFrom must be a number or null", request_id=number)
    _refuse_others(json, {"op", "requestId", "query", "sessionToken", "resumeFrom"})
    class_name, where = query.get("className"), query.get("where")
    if not isinstance(class_name, str) or not isinstance(where, Mapping):
        raise ProtocolProblem(f"{json['op']}: query needs a className and a where object", request_id=number)
    asked = SubscribedQuery(
        class_name=class_name,
        where=where,
        keys=_names(query, "keys", number) or _names(query, "fields", number),
        watch=_names(query, "watch", number),
    )
    return Subscribe(
        request_id=number,
        query=asked,
        session_token=token,
        replaces=json.get("op") == "update",
        numbered="resumeFrom" in json,
        resume_from=resume_from,
    )


def _names(
    query: Mapping[str, JSON], name: Literal["keys", "fields", "watch"], number: int
) -> tuple[str, ...] | None:
    """A list of keys; ``fields`` is what clients before 5.0 call ``keys``."""
    names = query.get(name)
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        raise ProtocolProblem(f"query.{name} must be an array of strings", request_id=number)
    return tuple(names)
