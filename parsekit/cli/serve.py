"""``serve``: a database as a Parse server, over HTTP and WebSocket.

Options come from a TOML file, from ``PARSE_SERVER_...`` environment variables and from the command line; the later ones
count. Needs the extra ``server``.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final, final

from cyclopts import App, Parameter

import parsekit
from parsekit import EngineError, Schema, attrs
from parsekit.cli.schemas import read_schema_files
from parsekit.cli.session import UsageError
from parsekit.codec import JSON, loads
from parsekit.errors import InvalidJsonError
from parsekit.server import App as ServerApp
from parsekit.server import create_app
from parsekit.server.configuration import configuration, from_environment, from_toml
from parsekit.server.test_mode import TestMode, check_loopback

__all__ = ["register"]

_EXTRA: Final = frozenset({"uvicorn", "websockets"})
_MISSING_EXTRA: Final = 'parsekit serve needs the "server" extra. Fix: pip install "parsekit[server]"'


def register(app: App) -> None:
    """Add the command."""
    app.command(serve)


@final
@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Keys:
    """The application's id and keys. Keys do not belong on a command line in production: others can read it there."""

    app_id: str | None = None
    """The application's id."""

    master_key: str | None = None
    """The key to which no permission applies; from this machine only, unless masterKeyIps says otherwise."""

    rest_key: str | None = None
    """A key of clients."""

    javascript_key: str | None = None
    """A key of clients."""

    client_key: str | None = None
    """A key of clients."""

    windows_key: str | None = None
    """A key of clients."""

    maintenance_key: str | None = None
    """A master key that also reads and writes internal fields."""

    read_only_master_key: str | None = None
    """A master key that may not write."""

    webhook_key: str | None = None
    """The key that webhooks are called with."""


_OPTION_OF: Final = {
    "app_id": "appId",
    "master_key": "masterKey",
    "rest_key": "restAPIKey",
    "javascript_key": "javascriptKey",
    "client_key": "clientKey",
    "windows_key": "dotNetKey",
    "maintenance_key": "maintenanceKey",
    "read_only_master_key": "readOnlyMasterKey",
    "webhook_key": "webhookKey",
}
_DEFAULT_KEYS: Final = Keys()


def serve(
    database: Annotated[Path, Parameter(help="The database file, made where there is none; or :memory:")],
    /,
    *,
    keys: Keys = _DEFAULT_KEYS,
    schema: Annotated[str | None, Parameter(help="A schema file (.json), or a module with a SCHEMA.")] = None,
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port to listen on; 0 for any that is free.")] = 1337,
    mount: Annotated[str | None, Parameter(help="The path of the API, /parse unless given.")] = None,
    config: Annotated[Path | None, Parameter(help="A TOML file of options, named as Parse Server's.")] = None,
    option: Annotated[
        list[str] | None, Parameter(help="One more option, as NAME=VALUE; the value is JSON or text.")
    ] = None,
    test_mode: Annotated[
        bool, Parameter(negative=(), help="Let a suite empty the database: POST /__reset and /__configure.")
    ] = False,
) -> None:
    """Serve a database to Parse clients: REST and LiveQuery."""
    given: dict[str, JSON] = {} if config is None else from_toml(config)
    given |= from_environment(os.environ)
    given |= _assigned(option or [])
    given |= {_OPTION_OF[name]: value for name, value in attrs.asdict(keys).items() if value is not None}
    if mount is not None:
        given["mountPath"] = mount
    if port:  # with 0 nobody knows it yet
        given.setdefault("serverURL", _own_url(host, port, str(given.get("mountPath", "/parse"))))
    wanted = None if schema is None else _schema(schema)
    if test_mode:
        _serve_tests(database, given, wanted, host, port)
        return
    settings = configuration(given)
    with parsekit.open(database, schema=wanted, **settings.engine) as engine:
        _run(create_app(engine, settings.server), host, port)


def _own_url(host: str, port: int, mount: str) -> str:
    """Where a client on this machine reaches the server, as Parse Server guesses it."""
    name = "localhost" if host in ("127.0.0.1", "::1", "0.0.0.0", "::") else host
    return f"http://{name}:{port}{mount}"


def _serve_tests(database: Path, given: dict[str, JSON], schema: Schema | None, host: str, port: int) -> None:
    check_loopback(host)
    mode = TestMode(database, given, schema)
    try:
        _run(mode.app, host, port)
    finally:
        mode.close()


def _run(app: ServerApp, host: str, port: int) -> None:
    try:
        from parsekit.server.running import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise EngineError(_MISSING_EXTRA) from error

    def ready(address: str) -> None:
        service = app.service
        sys.stdout.write(
            f"serving {service.engine.store.database.place} at {address}{service.options.mount}\n"
        )
        sys.stdout.flush()

    run(app, host, port, ready)


def _assigned(assignments: list[str]) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--option {text}: expected NAME=VALUE.")
        try:
            found[name] = loads(value)
        except InvalidJsonError:
            found[name] = value
    return found


def _schema(source: str) -> Schema:
    if source.endswith(".json"):
        return read_schema_files([Path(source)])
    try:
        found: Any = getattr(importlib.import_module(source), "SCHEMA", None)
    except ModuleNotFoundError as error:
        raise EngineError(f"--schema {source}: there is no such module. Fix: check the name") from error
    if not isinstance(found, Schema):
        raise EngineError(f"--schema {source}: the module has no SCHEMA")
    return found
