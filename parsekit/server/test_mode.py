"""Test mode: a server that a suite empties before each test.

Three routes below the mount, for clients on this machine alone, without keys:

- ``POST /__reset`` puts an empty application in the place of this one, with the options that the server was started
  with;
- ``POST /__configure {"options": {...}}`` does the same and starts with these options besides; what it refuses is
  answered with 400 ``{"error": "..."}`` and changes nothing;
- ``POST /__match {"className", "object", "query": {"where"}}`` answers ``{"match": bool}``, as live queries decide.

An application is an engine, so a new one has nothing of the old: no rows, classes, sessions, caches, hooks. In memory
the next one is opened ahead, so that a reset is little more than an exchange. Data that matter are out of reach: test
mode works in memory, or on a file that it made itself and marked.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import parsekit
from parsekit import attrs
from parsekit.auth.adapters import AuthAdapter, AuthData, AuthOutcome, AuthStep
from parsekit.auth.options import PasswordCost
from parsekit.codec import JSON, loads
from parsekit.engine.push import PushResult
from parsekit.errors import EngineError, InvalidJsonError, InvalidQueryError, ObjectNotFoundError, ParseError
from parsekit.livequery.conditions import matches_live
from parsekit.server.app import App
from parsekit.server.configuration import Configuration, configuration
from parsekit.server.faults import HttpError, answer_for
from parsekit.server.reading import OptionError
from parsekit.server.requests import Request, Response
from parsekit.server.service import Service
from parsekit.storage.marks import is_marked, mark

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.schema import Schema

__all__ = ["TestMode", "check_loopback"]

_MARK: Final = "test mode"
_PREFIX: Final = "/__"
_WAIT_S: Final = 2.0
_FIXED: Final = "mountPath"
_PUSH: Final = "push"
_DEFAULTS: Final[Mapping[str, JSON]] = {
    "allowClientClassCreation": True,
    "allowCustomObjectId": True,
    "fileUpload": {"enableForPublic": True, "enableForAnonymousUser": True},
    "liveQueryServerOptions": {
        "keyPairs": {}
    },  # as Parse Server: a live query is nobody's, whatever keys come
    _PUSH: {},
}

_COST: Final = PasswordCost(time_cost=1, memory_kib=64, parallelism=1, scrypt_log_n=4)
"""What is hashed here lasts as long as a test, and a suite makes many users."""


def check_loopback(host: str) -> None:
    """Refuse to listen where other machines could empty the database.

    Raises:
        EngineError: ``host`` is not an address of this machine's own.
    """
    if not _is_loopback(host):
        raise EngineError(
            f"--test-mode: anybody who reaches {host} could empty the database; "
            "it listens on this machine only. Fix: --host 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@final
class ProfileAdapter(AuthAdapter):
    """A provider of the test profile: one id, whose token begins (or is) as told."""

    def __init__(self, identity: str, token: str, *, whole: bool) -> None:
        self._identity = identity
        self._token = token
        self._whole = whole

    def validate(self, auth_data: AuthData, step: AuthStep, user_id: str | None) -> AuthOutcome | None:  # noqa: ARG002
        """Accept the one id with its token.

        Raises:
            ObjectNotFoundError: 101.
        """
        token = auth_data.get("access_token")
        given = token if isinstance(token, str) else ""
        fits = given == self._token if self._whole else given.startswith(self._token)
        if auth_data.get("id") != self._identity or not fits:
            raise ObjectNotFoundError("Auth data is invalid for this user.")
        return None


@final
class ProfilePush:
    """Takes every push, and says that it reached every device."""

    def send(
        self,
        body: Mapping[str, JSON],  # noqa: ARG002
        installations: Sequence[Mapping[str, JSON]],
    ) -> list[PushResult]:
        """One result a device."""
        return [
            PushResult(str(device.get("deviceType")), str(device.get("deviceToken")), transmitted=True)
            for device in installations
        ]


_PROFILE: Final[Mapping[str, AuthAdapter]] = {
    "facebook": ProfileAdapter("8675309", "jenny", whole=False),
    "myoauth": ProfileAdapter("12345", "12345", whole=True),
}


@final
class TestMode:
    """The application in test mode and the ways to empty it. ``app`` is what to serve."""

    __test__ = False

    def __init__(self, path: str | Path, options: Mapping[str, JSON], schema: Schema | None = None) -> None:
        """Open the database.

        Raises:
            OptionError: as ``configuration``.
            EngineError: the file is there, and test mode did not make it.
        """
        self._path = str(path)
        self._given = {**_DEFAULTS, **options}
        self._schema = schema
        self._replacing = threading.Lock()
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="parsekit-test-mode")
        self._next: Future[Service] | None = None
        settings = self._read(self._given)
        if not self._in_memory and Path(self._path).exists():
            self._check_made_here()
            self._remove()
        self.app = App(self._service(settings), self._answer)
        self._open_ahead()

    def close(self) -> None:
        """Close the database."""
        self._aside.shutdown()
        if self._next is not None:
            self._next.result().engine.close()
        self.app.service.engine.close()

    @property
    def _in_memory(self) -> bool:
        return self._path == ":memory:"

    def _open_ahead(self) -> None:
        """Have the next empty application ready before it is asked for."""
        if self._in_memory:
            settings = self._read(self._given)
            self._next = self._aside.submit(self._service, settings)

    def _read(self, options: Mapping[str, JSON]) -> Configuration:
        """The configuration, with ``push`` as test mode has it: ``null`` for nobody who sends."""
        rest = {name: value for name, value in options.items() if name != _PUSH}
        settings = configuration(rest)
        given = options.get(_PUSH)
        if given is None:
            return settings
        if not isinstance(given, Mapping):
            raise OptionError([f"options.{_PUSH}: expected an object, or null for no pushes"])
        return attrs.evolve(settings, engine={**settings.engine, "push": ProfilePush()})

    def _service(self, settings: Configuration) -> Service:
        return Service(self._opened(settings), settings.server)

    def _opened(self, settings: Configuration) -> ParseEngine:
        given: Any = settings.engine["auth"]
        auth = attrs.evolve(given, auth={**_PROFILE, **given.auth}, password_cost=_COST)
        engine = parsekit.open(
            self._path, schema=self._schema, **{**settings.engine, "auth": auth, "synchronous": "OFF"}
        )
        if not self._in_memory:
            with engine.store.write() as connection:
                mark(connection, _MARK)
        return engine

    def _check_made_here(self) -> None:
        with parsekit.open(self._path, read_only=True) as engine:
            made_here = is_marked(engine.store.database.reader(), _MARK)
        if not made_here:
            raise EngineError(
                f'--test-mode: database "{self._path}" was not made by test mode, which empties what it works on. '
                "Fix: give :memory: or a file that is not there"
            )

    def _remove(self) -> None:
        for ending in ("", "-wal", "-shm"):
            Path(f"{self._path}{ending}").unlink(missing_ok=True)

    # -- the routes --------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Response | None:
        """The answer to a request of test mode's own, ``None`` to any other."""
        if not request.path.startswith(_PREFIX) or request.method != "POST":
            return None
        if not _is_loopback(request.client_host):
            return Response(403, {"error": "unauthorized"})
        try:
            if request.path == "/__reset":
                return self._replace(None)
            if request.path == "/__configure":
                return self._replace(self._configured(_body(request)))
            if request.path == "/__match":
                return Response(200, {"match": matches(_body(request))})
        except OptionError as error:
            return Response(400, {"error": str(error)})
        except (HttpError, ParseError) as error:
            return answer_for(error)
        return None

    def _configured(self, body: Mapping[str, JSON]) -> Configuration:
        options = body.get("options", {})
        if not isinstance(options, Mapping):
            raise OptionError(["options: expected an object"])
        settings = self._read({**self._given, **options})
        if settings.server.mount != self.app.service.options.mount:
            raise OptionError([f"options.{_FIXED}: the server's address cannot be changed while it runs"])
        return settings

    def _replace(self, settings: Configuration | None) -> Response:
        """Go on with an empty application; without ``settings``, as the server was started."""
        with self._replacing:
            old = self.app.service
            if self._in_memory:
                self.app.put(self._ready() if settings is None else self._service(settings))
                old.retire(lambda: self._close_aside(old))
            else:
                old.retire(_nothing)
                old.wait_idle(_WAIT_S)
                old.engine.close()
                self._remove()
                self.app.put(self._service(settings or self._read(self._given)))
        return Response(200, {})

    def _ready(self) -> Service:
        assert self._next is not None
        service = self._next.result()
        self._open_ahead()
        return service

    def _close_aside(self, old: Service) -> None:
        self._aside.submit(old.engine.close)


def _nothing() -> None:
    """What is under way on a file is waited for; there is nothing to do at its end."""


def _body(request: Request) -> dict[str, JSON]:
    body = loads(request.body or b"{}")
    if not isinstance(body, dict):
        raise InvalidJsonError("the body is not a JSON object")
    return body


def matches(asked: Mapping[str, JSON]) -> bool:
    """Whether an object meets conditions, as Parse's live query matcher sees it.

    Raises:
        InvalidQueryError: 102, the object or the query is missing.
    """
    source, query = asked.get("object"), asked.get("query")
    where = query.get("where", {}) if isinstance(query, Mapping) else None
    if not isinstance(source, Mapping) or not isinstance(where, Mapping):
        raise InvalidQueryError('expected {"className", "object": {...}, "query": {"where": {...}}}')
    return matches_live({"className": asked.get("className"), **source}, where)
