"""What Parse Server says of an option value that it refuses, word for word (Config.validateOptions).

``parsekit.server.reading`` reads options strictly and says where the mistake is and what would be right; that is for
people. A program that was written for Parse Server looks for Parse Server's text, which this finds: the first rule that
the options break, in the order in which Parse Server goes through them. A value that no rule here speaks of is the
reader's affair.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from parsekit.codec import JSON

__all__ = ["parse_words"]

Fits: TypeAlias = Callable[[Any], bool]
_LARGEST_LOCKOUT: Final = 99999
_LARGEST_THRESHOLD: Final = 999
_LARGEST_HISTORY: Final = 20
_ZONES: Final = ("global", "session", "user", "ip")


def parse_words(options: Mapping[str, JSON]) -> str | None:
    """Parse Server's refusal of these options, ``None`` where it has none."""
    return next(_refusals(options), None)


# --- what a value may be ---


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(least: int, most: int) -> Fits:
    return lambda value: _number(value) and value == int(value) and least <= value <= most


def _falsy(value: Any) -> bool:
    return value is None or value is False or value in (0, "")


def _or_falsy(fits: Fits) -> Fits:
    return lambda value: _falsy(value) or fits(value)


def _numeric(value: Any) -> float | None:
    """The number that JavaScript takes a value for, ``None`` for none."""
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def _never(_value: Any) -> bool:
    """What only code in the server's own process can give."""
    return False


# --- the rules ---

_Rule: TypeAlias = tuple[str, Fits, str]
"""A key, what it may be where it is given, the refusal."""

_LOCKOUT: Final[tuple[_Rule, ...]] = (
    (
        "duration",
        lambda value: _number(value) and 0 < value <= _LARGEST_LOCKOUT,
        "Account lockout duration should be greater than 0 and less than 100000",
    ),
    (
        "threshold",
        _whole(1, _LARGEST_THRESHOLD),
        "Account lockout threshold should be an integer greater than 0 and less than 1000",
    ),
    (
        "unlockOnPasswordReset",
        _flag,
        "Parse Server option accountLockout.unlockOnPasswordReset must be a boolean.",
    ),
)
_PASSWORDS: Final[tuple[_Rule, ...]] = (
    (
        "maxPasswordAge",
        lambda value: _number(value) and value >= 0,
        "passwordPolicy.maxPasswordAge must be a positive number",
    ),
    (
        "resetTokenValidityDuration",
        lambda value: _number(value) and value > 0,
        "passwordPolicy.resetTokenValidityDuration must be a positive number",
    ),
    (
        "validatorPattern",
        _or_falsy(_text),
        "passwordPolicy.validatorPattern must be a regex string or RegExp object.",
    ),
    ("validatorCallback", _or_falsy(_never), "passwordPolicy.validatorCallback must be a function."),
    (
        "doNotAllowUsername",
        _or_falsy(_flag),
        "passwordPolicy.doNotAllowUsername must be a boolean value.",
    ),
    (
        "maxPasswordHistory",
        _or_falsy(_whole(1, _LARGEST_HISTORY)),
        "passwordPolicy.maxPasswordHistory must be an integer ranging 0 - 20",
    ),
    ("resetTokenReuseIfValid", _or_falsy(_flag), "resetTokenReuseIfValid must be a boolean value"),
)
_SENDERS: Final = ("enableForAnonymousUser", "enableForPublic", "enableForAuthenticatedUser")
_TOP: Final[tuple[_Rule, ...]] = (
    ("revokeSessionOnPasswordReset", _flag, "revokeSessionOnPasswordReset must be a boolean value"),
    ("extendSessionOnUse", _flag, "extendSessionOnUse must be a boolean value"),
)
_LATER: Final[tuple[_Rule, ...]] = (
    (
        "enforcePrivateUsers",
        _flag,
        "Parse Server option enforcePrivateUsers must be a boolean.",
    ),
    (
        "enableInsecureAuthAdapters",
        _or_falsy(_flag),
        "Parse Server option enableInsecureAuthAdapters must be a boolean.",
    ),
    (
        "allowExpiredAuthDataToken",
        _flag,
        "Parse Server option allowExpiredAuthDataToken must be a boolean.",
    ),
    (
        "requestKeywordDenylist",
        _list,
        "Parse Server option requestKeywordDenylist must be an array.",
    ),
)
_PAGES: Final[tuple[_Rule, ...]] = (
    ("enableLocalization", _flag, "a boolean"),
    ("localizationJsonPath", _text, "a string"),
    ("localizationFallbackLocale", _text, "a string"),
    ("placeholders", _object, "an object or a function"),
    ("forceRedirect", _flag, "a boolean"),
    ("pagesPath", _text, "a string"),
    ("pagesEndpoint", _text, "a string"),
    ("customUrls", _object, "an object"),
    ("customRoutes", _list, "an array"),
    ("encodePageParamHeaders", _flag, "a boolean"),
)
_SECURITY: Final[tuple[_Rule, ...]] = (
    ("enableCheck", _flag, "a boolean"),
    ("enableCheckLog", _flag, "a boolean"),
)
_SCHEMA: Final[tuple[_Rule, ...]] = (
    ("definitions", _list, "an array"),
    ("strict", _flag, "a boolean"),
    ("deleteExtraFields", _flag, "a boolean"),
    ("recreateModifiedFields", _flag, "a boolean"),
    ("lockSchemas", _flag, "a boolean"),
    ("beforeMigration", lambda value: value is None, "a function"),
    ("afterMigration", lambda value: value is None, "a function"),
)


def _broken(given: Mapping[str, JSON], rules: tuple[_Rule, ...]) -> Iterator[str]:
    for key, fits, words in rules:
        if key in given and not fits(given[key]):
            yield words


def _parts(name: str, given: Mapping[str, JSON], rules: tuple[_Rule, ...]) -> Iterator[str]:
    """The refusals of an option's parts, of which only what they have to be differs."""
    for key, fits, kind in rules:
        if key in given and not fits(given[key]):
            yield f"Parse Server option {name}.{key} must be {kind}."


def _refusals(options: Mapping[str, JSON]) -> Iterator[str]:
    yield from _keys(options)
    yield from _accounts(options)
    yield from _files("fileUpload", options)
    yield from _files("fileDownload", options)
    yield from _broken(options, _TOP)
    yield from _public_url(options)
    yield from _sessions(options)
    yield from _addresses(options)
    yield from _limits(options)
    yield from _headers(options)
    yield from _idempotency(options)
    for name, rules, may_lack in (
        ("pages", _PAGES, False),
        ("security", _SECURITY, False),
        ("schema", _SCHEMA, True),
    ):
        value = options.get(name)
        if name not in options or (may_lack and _falsy(value)):
            continue
        if isinstance(value, Mapping):
            yield from _parts(name, value, rules)
        else:
            yield f"Parse Server option {name} must be an object."
    yield from _broken(options, _LATER)
    yield from _rates(options)
    if not _flag(options.get("allowClientClassCreation", False)):
        yield "Parse Server option allowClientClassCreation must be a boolean."
    yield from _complexity(options)
    yield from _paths(options)
    yield from _installation(options)
    yield from _mails(options)


def _keys(options: Mapping[str, JSON]) -> Iterator[str]:
    for name, article in (("appId", "an"), ("masterKey", "a")):
        if name in options and _falsy(options[name]):
            yield f"You must provide {article} {name}!"
    master = options.get("masterKey")
    for key in ("readOnlyMasterKey", "maintenanceKey"):
        if master is not None and options.get(key) == master:
            yield f"masterKey and {key} should be different"


def _accounts(options: Mapping[str, JSON]) -> Iterator[str]:
    lockout, passwords = options.get("accountLockout"), options.get("passwordPolicy")
    if not _falsy(lockout):
        given = lockout if isinstance(lockout, Mapping) else {}
        yield from _broken({"duration": None, "threshold": None, **given}, _LOCKOUT)
    if isinstance(passwords, Mapping):
        yield from _broken(passwords, _PASSWORDS)
        if passwords.get("resetTokenReuseIfValid") and _falsy(passwords.get("resetTokenValidityDuration")):
            yield "You cannot use resetTokenReuseIfValid without resetTokenValidityDuration"
        if not _flag(passwords.get("resetPasswordSuccessOnInvalidEmail", False)):
            yield "resetPasswordSuccessOnInvalidEmail must be a boolean value"


def _files(name: str, options: Mapping[str, JSON]) -> Iterator[str]:
    value = options.get(name)
    if name not in options or (value is None and name == "fileDownload"):
        return
    if not isinstance(value, Mapping):
        yield f"{name} must be an object value."
        return
    for key in _SENDERS:
        if key in value and not _flag(value[key]):
            yield f"{name}.{key} must be a boolean value."
    if name == "fileDownload":
        return
    for key in ("fileExtensions", "allowedFileUrlDomains"):
        if key in value and not _list(value[key]):
            yield f"fileUpload.{key} must be an array."
    domains = value.get("allowedFileUrlDomains")
    if isinstance(domains, list) and not all(isinstance(item, str) and item for item in domains):
        yield "fileUpload.allowedFileUrlDomains must contain only non-empty strings."


def _public_url(options: Mapping[str, JSON]) -> Iterator[str]:
    url = options.get("publicServerURL")
    if isinstance(url, str) and url and not url.startswith(("http://", "https://")):
        yield "The option publicServerURL must be a valid URL starting with http:// or https://."
    if not _falsy(url) and not isinstance(url, str):
        kind = "boolean" if _flag(url) else "number" if _number(url) else "object"
        yield f"The option publicServerURL must be a string or function, but got {kind}."


def _sessions(options: Mapping[str, JSON]) -> Iterator[str]:
    if "sessionLength" not in options or _falsy(options.get("expireInactiveSessions", True)):
        return
    length = _numeric(options["sessionLength"])
    if length is None:
        yield "Session length must be a valid number."
    elif length <= 0:
        yield "Session length must be a value greater than 0."


def _addresses(options: Mapping[str, JSON]) -> Iterator[str]:
    for name in ("masterKeyIps", "maintenanceKeyIps", "readOnlyMasterKeyIps"):
        listed = options.get(name)
        for item in listed if isinstance(listed, list) else ():
            address = str(item).partition("/")[0]
            try:
                ipaddress.ip_address(address)
            except ValueError:
                yield f'The Parse Server option "{name}" contains an invalid IP address "{address}".'


def _limits(options: Mapping[str, JSON]) -> Iterator[str]:
    usual, most = options.get("defaultLimit"), _numeric(options.get("maxLimit"))
    if usual is not None and not _number(usual):
        yield "Default limit must be a number."
    elif isinstance(usual, int | float) and usual <= 0:
        yield "Default limit must be a value greater than 0."
    if most is not None and most <= 0:
        yield "Max limit must be a value greater than 0."


def _headers(options: Mapping[str, JSON]) -> Iterator[str]:
    listed = options.get("allowHeaders")
    if listed is None:
        return
    if not isinstance(listed, list):
        yield "Allow headers must be an array"
        return
    for header in listed:
        if not isinstance(header, str):
            yield "Allow headers must only contain strings"
        elif not header.strip():
            yield "Allow headers must not contain empty strings"


def _idempotency(options: Mapping[str, JSON]) -> Iterator[str]:
    given = options.get("idempotencyOptions")
    if not isinstance(given, Mapping):
        return
    if "ttl" in given:
        ttl = _numeric(given["ttl"])
        if ttl is None:
            yield "idempotency TTL value must be a number"
        elif ttl <= 0:
            yield "idempotency TTL value must be greater than 0 seconds"
    if not _falsy(given.get("paths")) and not _list(given["paths"]):
        yield "idempotency paths must be of an array of strings"


def _rates(options: Mapping[str, JSON]) -> Iterator[str]:
    rules = options.get("rateLimit")
    if _falsy(rules):
        return
    if not isinstance(rules, Mapping | list):
        yield "rateLimit must be an array or object"
        return
    for rule in rules if isinstance(rules, list) else [rules]:
        if isinstance(rule, Mapping):
            yield from _rate(rule)
        else:
            yield "rateLimit must be an array of objects"


def _rate(rule: Mapping[str, JSON]) -> Iterator[str]:
    for key, fits, kind in (
        ("requestPath", _text, "a string"),
        ("requestTimeWindow", _number, "a number"),
        ("includeInternalRequests", _or_falsy(_flag), "a boolean"),
        ("requestCount", _number, "a number"),
        ("errorResponseMessage", _or_falsy(_text), "a string"),
    ):
        if rule.get(key) is None and key.startswith("request"):
            yield f"rateLimit.{key} must be defined"
        elif not fits(rule.get(key)):
            yield f"rateLimit.{key} must be {kind}"
    zone = rule.get("zone")
    if not _falsy(zone) and zone not in _ZONES:
        yield f"rateLimit.zone must be one of {', '.join(_ZONES[:-1])}, or {_ZONES[-1]}"


def _complexity(options: Mapping[str, JSON]) -> Iterator[str]:
    given = options.get("requestComplexity")
    if given is None:
        return
    if not isinstance(given, Mapping):
        yield "requestComplexity must be an object."
        return
    for key, value in given.items():
        if key == "allowRegex":
            if not _flag(value):
                yield f"requestComplexity.{key} must be a boolean."
        elif not (_number(value) and value == int(value) and (value >= 1 or value == -1)):
            yield f"requestComplexity.{key} must be a positive integer or -1 to disable."


def _paths(options: Mapping[str, JSON]) -> Iterator[str]:
    listed = options.get("routeAllowList")
    if listed is None:
        return
    if not isinstance(listed, list):
        yield "Parse Server option routeAllowList must be an array of strings."
        return
    for pattern in listed:
        if not isinstance(pattern, str):
            yield "Parse Server option routeAllowList contains a non-string value."
            continue
        try:
            re.compile(pattern)
        except re.error:
            yield f'Parse Server option routeAllowList contains an invalid regex pattern: "{pattern}".'


def _installation(options: Mapping[str, JSON]) -> Iterator[str]:
    given, prefix = options.get("installation"), "installation.duplicateDeviceToken"
    if "installation" not in options:
        return
    if not isinstance(given, Mapping):
        yield "installation must be an object."
        return
    if not _flag(given.get("duplicateDeviceTokenActionEnforceAuth", False)):
        yield f"{prefix}ActionEnforceAuth must be a boolean."
    if given.get("duplicateDeviceTokenAction", "delete") not in ("delete", "update"):
        yield f"{prefix}Action must be one of: 'delete', 'update'."
    priority = given.get("duplicateDeviceTokenMergePriority", "deviceToken")
    if priority not in ("deviceToken", "installationId"):
        yield f"{prefix}MergePriority must be one of: 'deviceToken', 'installationId'."


def _mails(options: Mapping[str, JSON]) -> Iterator[str]:
    if _falsy(options.get("verifyUserEmails")):
        return
    if _falsy(options.get("emailAdapter")):
        yield "An emailAdapter is required for e-mail verification and password resets."
    if not _text(options.get("appName")):
        yield "An app name is required for e-mail verification and password resets."
    if _falsy(options.get("publicServerURL")):
        yield "The option publicServerURL is required."
    validity = options.get("emailVerifyTokenValidityDuration")
    reuse = options.get("emailVerifyTokenReuseIfValid")
    if not _falsy(validity):
        seconds = _numeric(validity)
        if seconds is None:
            yield "Email verify token validity duration must be a valid number."
        elif seconds <= 0:
            yield "Email verify token validity duration must be a value greater than 0."
    if not _falsy(reuse) and not _flag(reuse):
        yield "emailVerifyTokenReuseIfValid must be a boolean value"
    if not _falsy(reuse) and _falsy(validity):
        yield "You cannot use emailVerifyTokenReuseIfValid without emailVerifyTokenValidityDuration"
    if not _flag(options.get("emailVerifySuccessOnInvalidEmail", False)):
        yield "emailVerifySuccessOnInvalidEmail must be a boolean value"
