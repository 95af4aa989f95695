"""One table of Parse Server's option names, and what each is told to: server, engine or accounts.

``configuration({"appId": "A", "masterKey": "K", "maxLimit": 50})`` gives the ``ServerOptions`` and the arguments of
``parsekit.open``. The same names are read from a TOML file (``from_toml``) and, as ``PARSE_SERVER_MAX_LIMIT``, from the
environment (``from_environment``). Options that only Parse Server can have a use for, such as those of its logs, are
taken and do nothing; every other unknown name is refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

from parsekit import attrs
from parsekit.auth.adapters import AuthAdapter, TokenTableAdapter
from parsekit.auth.options import AuthOptions
from parsekit.codec import JSON
from parsekit.engine.identity import random_object_ids
from parsekit.engine.options import EngineOptions
from parsekit.errors import EngineError, did_you_mean
from parsekit.server.mail import WebhookMail
from parsekit.server.option_rules import refusal
from parsekit.server.options import ServerOptions
from parsekit.server.reading import (
    OptionError,
    Problems,
    Read,
    from_text,
    given_as,
    names_of,
    read_fields,
    reader_of,
)

__all__ = ["Configuration", "configuration", "from_environment", "from_toml", "option_names"]

_ENGINE: Final = (
    "allowClientClassCreation",
    "allowCustomObjectId",
    "defaultLimit",
    "enforcePrivateUsers",
    "installation",
    "protectedFieldsOwnerExempt",
    "protectedFieldsSaveResponseExempt",
    "protectedFieldsTriggerExempt",
)
_NOT_FROM_OUTSIDE: Final = frozenset(
    {"passwordCost", "randomBytes", "auth", "emailAdapter", "publicServerUrl", "appId"}
)
_IDLE: Final = frozenset(
    {
        "allowExpiredAuthDataToken", "cacheMaxSize", "cacheTTL", "databaseOptions", "directAccess",
        "enableExpressErrorHandler", "enableInsecureAuthAdapters", "enableSingleSchemaCache",
        "encodeParseObjectInCloudFunction", "jsonLogs", "logLevel", "logLevels", "logsFolder", "maxLogFiles",
        "silent", "startLiveQueryServer", "verbose", "verifyServerUrl",
    }
)  # fmt: skip
"""Options about logs, caches, start-up and adapters of other services, which have no counterpart here: there is
nothing to be told."""

_PREFIX: Final = "PARSE_SERVER_"
_SUITES: Final = "PARSE_SERVER_TEST_"
"""Variables of Parse Server's own test suite, which may well be set where that starts a server."""
_VARIABLES: Final = {
    "appId": "PARSE_SERVER_APPLICATION_ID",
    "auth": "PARSE_SERVER_AUTH_PROVIDERS",
    "enableAnonymousUsers": "PARSE_SERVER_ENABLE_ANON_USERS",
    "fileUpload": "PARSE_SERVER_FILE_UPLOAD_OPTIONS",
    "publicServerURL": "PARSE_PUBLIC_SERVER_URL",
    "serverURL": "PARSE_SERVER_URL",
}
"""The environment variables that Parse Server does not call by their options."""

_LONGEST_ID: Final = 36
_BYTES: Final = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_DEFAULTS: Final[Mapping[str, JSON]] = {"allowClientClassCreation": False, "allowCustomObjectId": False}
"""What Parse Server has, where an engine of one's own allows more."""


@final
@attrs.frozen(slots=True)
class Configuration:
    """Options, sorted by whom they are told to. ``engine`` are arguments of ``parsekit.open``."""

    server: ServerOptions
    engine: Mapping[str, Any] = attrs.field(repr=False)


def _size(place: str, value: JSON, problems: Problems) -> Any:
    match = re.fullmatch(r"(\d+)\s*([kmg]?b)?", str(value).strip().lower())
    if match is None or isinstance(value, bool):
        problems.append(f'{place}: expected a number of bytes or a size such as "20mb"')
        return value
    return int(match[1]) * _BYTES[match[2] or ""]


def _mail(place: str, value: JSON, problems: Problems) -> Any:
    url = value.get("webhook") if isinstance(value, Mapping) else None
    if not isinstance(url, str) or set(value) != {"webhook"} or not url.startswith(("http://", "https://")):
        problems.append(f'{place}: expected {{"webhook": URL}}; other adapters are given in Python')
        return None
    return WebhookMail(url)


def _adapters(place: str, value: JSON, problems: Problems) -> Any:
    found: dict[str, AuthAdapter] = {}
    for provider, given in value.items() if isinstance(value, Mapping) else ():
        tokens = given.get("tokens") if isinstance(given, Mapping) else None
        if not isinstance(tokens, Mapping) or set(given) != {"tokens"}:
            problems.append(
                f'{place}.{provider}: expected {{"tokens": {{ID: ACCESS_TOKEN}}}}; other adapters are given in Python'
            )
            continue
        found[provider] = TokenTableAdapter({str(key): str(token) for key, token in tokens.items()})
    if not isinstance(value, Mapping):
        problems.append(f"{place}: expected an object")
    return found


def _protected(place: str, value: JSON, problems: Problems) -> Any:
    """Class -> group -> fields. What is hidden by default the engine adds (``acl.protected.Protection``)."""
    merged: dict[str, dict[str, list[str]]] = {}
    if not isinstance(value, Mapping):
        problems.append(f"{place}: expected an object of classes")
        return merged
    for name, groups in value.items():
        if not isinstance(groups, Mapping):
            problems.append(f"{place}.{name}: expected an object of groups")
            continue
        for group, keys in groups.items():
            if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                problems.append(f"{place}.{name}.{group}: expected a list of fields")
                continue
            known = merged.setdefault(name, {}).setdefault(group, [])
            known.extend(key for key in keys if key not in known)
    return merged


def _ids(place: str, value: JSON, problems: Problems) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LONGEST_ID:
        problems.append(f"{place}: expected a whole number from 1 to {_LONGEST_ID}")
        return random_object_ids()
    return random_object_ids(value)


_SERVER_NAMES: Final = names_of(ServerOptions)
_AUTH_NAMES: Final = {
    name: item for name, item in names_of(AuthOptions).items() if name not in _NOT_FROM_OUTSIDE
}
_ENGINE_NAMES: Final = {name: item for name, item in names_of(EngineOptions).items() if name in _ENGINE}
_OWN_WAYS: Final[Mapping[str, tuple[str, str, Read]]] = {
    "auth": ("auth", "auth", _adapters),
    "emailAdapter": ("auth", "email_adapter", _mail),
    "objectIdSize": ("engine", "new_id", _ids),
    "protectedFields": ("engine", "protected_fields", _protected),
}
"""Options that are read in a way of their own: whose they are, the attribute, the reader."""

_NAMES: Final = frozenset({*_SERVER_NAMES, *_AUTH_NAMES, *_ENGINE_NAMES, *_OWN_WAYS, *_IDLE})


def option_names() -> list[str]:
    """The options that do something, by Parse Server's names."""
    return sorted(_NAMES - _IDLE)


def configuration(options: Mapping[str, JSON], *, place: str = "options") -> Configuration:
    """The configuration that options under Parse Server's names make; what is not given or null is as in Parse Server.

    Raises:
        OptionError: what Parse Server refuses, the first of it in its words; else unknown options, values that an
            option cannot have, a missing appId or masterKey, all of them.
    """
    refused = refusal(options)
    if refused is not None:
        raise OptionError([refused])
    problems: Problems = []
    server: dict[str, JSON] = {}
    auth: dict[str, Any] = {}
    engine: dict[str, Any] = {}
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("expireInactiveSessions") is False:
        given.pop(
            "sessionLength", None
        )  # sessions last for ever, and Parse Server does not look how long otherwise
    for name, value in _with_sensitive({**_DEFAULTS, **given}).items():
        where = f"{place}.{name}"
        if name in _SERVER_NAMES:
            server[name] = _size(where, value, problems) if name == "maxUploadSize" else value
        elif name in _AUTH_NAMES:
            item = _AUTH_NAMES[name]
            auth[given_as(item)] = reader_of(AuthOptions, item)(where, value, problems)
        elif name in _ENGINE_NAMES:
            item = _ENGINE_NAMES[name]
            engine[given_as(item)] = reader_of(EngineOptions, item)(where, value, problems)
        elif name in _OWN_WAYS:
            told, attribute, read = _OWN_WAYS[name]
            (auth if told == "auth" else engine)[attribute] = read(where, value, problems)
        elif name not in _IDLE:
            problems.append(f"{where}: there is no such option{did_you_mean(name, _NAMES)}")
    found = read_fields(ServerOptions, place, server, problems)
    if problems or found is None:
        raise OptionError(problems)
    auth["public_server_url"], auth["app_id"] = found.public_url, found.app_id
    auth.setdefault("app_name", "")  # an application of a server has no name but the one that it is given
    return Configuration(found, {**engine, "auth": AuthOptions(**auth)})


def _with_sensitive(options: dict[str, JSON]) -> dict[str, JSON]:
    """``userSensitiveFields``, an old way to protect fields of users, as ``protectedFields``."""
    fields, protected = options.pop("userSensitiveFields", None), options.get("protectedFields") or {}
    if not isinstance(fields, list) or not isinstance(protected, Mapping):
        return options
    groups = protected.get("_User")
    users: dict[str, Any] = dict(groups) if isinstance(groups, Mapping) else {}
    users["*"] = [*users.get("*", ()), *fields]
    return {**options, "protectedFields": {**protected, "_User": users}}


def from_toml(path: Path) -> dict[str, JSON]:
    """The options of a TOML file.

    Raises:
        EngineError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EngineError(
            f'options "{path}": cannot be read ({error.strerror}). Fix: check the path'
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EngineError(f'options "{path}": is not TOML: {error}') from error


def from_environment(variables: Mapping[str, str]) -> dict[str, JSON]:
    """The options that environment variables set; others than Parse Server's are not looked at.

    Raises:
        OptionError: a variable begins with ``PARSE_SERVER_`` and names no option.
    """
    names = {_variable(name): name for name in _NAMES}
    found: dict[str, JSON] = {}
    problems: Problems = []
    for variable, text in variables.items():
        name = names.get(variable)
        if name is not None:
            found[name] = _meant(name, text)
        elif variable.startswith(_PREFIX) and not variable.startswith(_SUITES):
            hint = did_you_mean(variable, names)
            problems.append(f"environment variable {variable}: there is no such option{hint}")
    if problems:
        raise OptionError(problems)
    return found


def _variable(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return _VARIABLES.get(name, _PREFIX + words.upper())


def _meant(name: str, text: str) -> JSON:
    for kind, names in (
        (ServerOptions, _SERVER_NAMES),
        (AuthOptions, _AUTH_NAMES),
        (EngineOptions, _ENGINE_NAMES),
    ):
        if name in names:
            return from_text(kind, names[name], text)
    from parsekit.codec import loads

    return loads(text) if name in _OWN_WAYS else text
