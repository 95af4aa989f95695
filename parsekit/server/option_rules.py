"""What Parse Server says of option values that it refuses, in its own words (Config.validateOptions).

Whoever starts a server, or configures one under test, gets the sentence that Parse Server would have given, and only
the first one, as there. What these rules let pass is read by type afterwards (``reading``), which finds the rest.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, final

import attrs

from parsekit.codec import JSON, dumps

__all__ = ["refusal"]

_LOG_LEVELS: Final = ("error", "warn", "info", "debug", "verbose", "silly", "silent")
_LOG_EVENTS: Final = (
    "cloudFunctionError", "cloudFunctionSuccess", "signupUsernameTaken", "triggerAfter", "triggerBeforeError",
    "triggerBeforeSuccess",
)  # fmt: skip
_ZONES: Final = ("global", "session", "user", "ip")
_MOST_HISTORY: Final = 20


# --- kinds of values, as JavaScript tells them apart ---


def _boolean(value: JSON) -> bool:
    return isinstance(value, bool)


def _number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: JSON) -> bool:
    return _number(value) and float(value) == math.floor(float(value))


def _text(value: JSON) -> bool:
    return isinstance(value, str)


def _object(value: JSON) -> bool:
    return isinstance(value, Mapping)


def _list(value: JSON) -> bool:
    return isinstance(value, list)


def _between(least: float, most: float, kind: Callable[[JSON], bool] = _number) -> Callable[[JSON], bool]:
    return lambda value: kind(value) and least <= value <= most


def _above(least: float) -> Callable[[JSON], bool]:
    return lambda value: _number(value) and value > least


def _unless_given(fits: Callable[[JSON], bool]) -> Callable[[JSON], bool]:
    """A rule for values that count as given: none is null, false, zero or empty."""
    return lambda value: value in (None, False, 0, "") or fits(value)


def _numeric(value: JSON) -> float | None:
    """What JavaScript takes a value for where it compares it with a number; ``None`` for what is none."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return None


# --- one value at a time ---


@final
@attrs.frozen(slots=True)
class _Rule:
    """A value at ``place``, where it is given, has to fit; a ``required`` one has to be given with its group."""

    place: str
    fits: Callable[[JSON], bool]
    words: str
    required: bool = False


def _option(place: str, fits: Callable[[JSON], bool], kind: str) -> _Rule:
    return _Rule(place, fits, f"Parse Server option {place} must be {kind}.")


def _whether(*places: str) -> list[_Rule]:
    return [_Rule(place, _boolean, f"{place} must be a boolean value.") for place in places]


_DURATION: Final = "Account lockout duration should be greater than 0 and less than 100000"
_THRESHOLD: Final = "Account lockout threshold should be an integer greater than 0 and less than 1000"
_BEFORE_ADDRESSES: Final = (
    _Rule("accountLockout.duration", lambda v: _above(0)(v) and _between(0, 99999)(v), _DURATION, required=True),
    _Rule("accountLockout.threshold", _between(1, 999, _whole), _THRESHOLD, required=True),
    _option("accountLockout.unlockOnPasswordReset", _boolean, "a boolean"),
    _Rule("passwordPolicy.maxPasswordAge", lambda v: _number(v) and not _above(0)(-v),
          "passwordPolicy.maxPasswordAge must be a positive number"),
    _Rule("passwordPolicy.resetTokenValidityDuration", _above(0),
          "passwordPolicy.resetTokenValidityDuration must be a positive number"),
    _Rule("passwordPolicy.validatorPattern", _unless_given(_text),
          "passwordPolicy.validatorPattern must be a regex string or RegExp object."),
    _Rule("passwordPolicy.validatorCallback", _unless_given(lambda _v: False),
          "passwordPolicy.validatorCallback must be a function."),
    _Rule("passwordPolicy.doNotAllowUsername", _unless_given(_boolean),
          "passwordPolicy.doNotAllowUsername must be a boolean value."),
    _Rule("passwordPolicy.maxPasswordHistory", _unless_given(_between(1, _MOST_HISTORY, _whole)),
          "passwordPolicy.maxPasswordHistory must be an integer ranging 0 - 20"),
    _Rule("passwordPolicy.resetTokenReuseIfValid", _unless_given(_boolean),
          "resetTokenReuseIfValid must be a boolean value"),
    _Rule("passwordPolicy.resetPasswordSuccessOnInvalidEmail", _boolean,
          "resetPasswordSuccessOnInvalidEmail must be a boolean value"),
    _Rule("fileUpload", _object, "fileUpload must be an object value."),
    *_whether("fileUpload.enableForAnonymousUser", "fileUpload.enableForPublic",
              "fileUpload.enableForAuthenticatedUser"),
    _Rule("fileUpload.fileExtensions", _list, "fileUpload.fileExtensions must be an array."),
    _Rule("fileDownload", _object, "fileDownload must be an object value."),
    *_whether("fileDownload.enableForAnonymousUser", "fileDownload.enableForPublic",
              "fileDownload.enableForAuthenticatedUser"),
    _Rule("revokeSessionOnPasswordReset", _boolean, "revokeSessionOnPasswordReset must be a boolean value"),
    _Rule("extendSessionOnUse", _boolean, "extendSessionOnUse must be a boolean value"),
)  # fmt: skip
_AFTER_ADDRESSES: Final = (
    _Rule("defaultLimit", _number, "Default limit must be a number."),
    _Rule("defaultLimit", _above(0), "Default limit must be a value greater than 0."),
    _Rule("maxLimit", lambda v: not _number(v) or _above(0)(v), "Max limit must be a value greater than 0."),
    _Rule("allowHeaders", _list, "Allow headers must be an array"),
    _Rule("allowHeaders[]", _text, "Allow headers must only contain strings"),
    _Rule("allowHeaders[]", lambda v: bool(str(v).strip()), "Allow headers must not contain empty strings"),
    _Rule("idempotencyOptions.ttl", lambda v: _numeric(v) is not None, "idempotency TTL value must be a number"),
    _Rule("idempotencyOptions.ttl", lambda v: (_numeric(v) or 0) > 0,
          "idempotency TTL value must be greater than 0 seconds"),
    _Rule("idempotencyOptions.paths", _unless_given(_list), "idempotency paths must be of an array of strings"),
    _option("pages", _object, "an object"),
    _option("pages.enableRouter", _boolean, "a boolean"),
    _option("pages.enableLocalization", _boolean, "a boolean"),
    _option("pages.localizationJsonPath", _text, "a string"),
    _option("pages.localizationFallbackLocale", _text, "a string"),
    _option("pages.placeholders", _object, "an object or a function"),
    _option("pages.forceRedirect", _boolean, "a boolean"),
    _option("pages.pagesPath", _text, "a string"),
    _option("pages.pagesEndpoint", _text, "a string"),
    _option("pages.customUrls", _object, "an object"),
    _option("pages.customRoutes", _list, "an array"),
    _option("pages.encodePageParamHeaders", _boolean, "a boolean"),
    _option("security", _object, "an object"),
    _option("security.enableCheck", _boolean, "a boolean"),
    _option("security.enableCheckLog", _boolean, "a boolean"),
    _option("enforcePrivateUsers", _boolean, "a boolean"),
    _option("enableInsecureAuthAdapters", _unless_given(_boolean), "a boolean"),
    _option("allowExpiredAuthDataToken", _boolean, "a boolean"),
    _option("requestKeywordDenylist", _list, "an array"),
)  # fmt: skip
_LAST: Final = (
    *(
        _Rule(f"logLevels.{event}", _unless_given(lambda v: v in _LOG_LEVELS),
              f"'{event}' must be one of {dumps(list(_LOG_LEVELS))}")
        for event in _LOG_EVENTS
    ),
    _Rule("databaseOptions", _object, "databaseOptions must be an object"),
    _Rule("databaseOptions.enableSchemaHooks", _boolean, "databaseOptions.enableSchemaHooks must be a boolean"),
    _Rule("databaseOptions.schemaCacheTtl", _number, "databaseOptions.schemaCacheTtl must be a number"),
    _Rule("customPages", _unless_given(_object), "Parse Server option customPages must be an object."),
    _option("allowClientClassCreation", _boolean, "a boolean"),
    _Rule("requestComplexity", lambda v: v is None or _object(v), "requestComplexity must be an object."),
    _Rule("requestComplexity.allowRegex", _boolean, "requestComplexity.allowRegex must be a boolean."),
    *(
        _Rule(f"requestComplexity.{name}", lambda v: v == -1 or _between(1, math.inf, _whole)(v),
              f"requestComplexity.{name} must be a positive integer or -1 to disable.")
        for name in ("includeDepth", "includeCount", "subqueryDepth", "queryDepth", "batchRequestLimit")
    ),
    _Rule("liveQuery.regexTimeout", _number, "liveQuery.regexTimeout must be a number"),
    _Rule("routeAllowList", lambda v: v is None or _list(v),
          "Parse Server option routeAllowList must be an array of strings."),
    _Rule("routeAllowList[]", _text, "Parse Server option routeAllowList contains a non-string value."),
    _Rule("installation", _object, "installation must be an object."),
    _Rule("installation.duplicateDeviceTokenActionEnforceAuth", _boolean,
          "installation.duplicateDeviceTokenActionEnforceAuth must be a boolean."),
    _Rule("installation.duplicateDeviceTokenAction", lambda v: v in ("delete", "update"),
          "installation.duplicateDeviceTokenAction must be one of: 'delete', 'update'."),
    _Rule("installation.duplicateDeviceTokenMergePriority", lambda v: v in ("deviceToken", "installationId"),
          "installation.duplicateDeviceTokenMergePriority must be one of: 'deviceToken', 'installationId'."),
)  # fmt: skip


def _broken(rules: tuple[_Rule, ...], options: Mapping[str, JSON]) -> Iterator[str]:
    for rule in rules:
        for value in _values(rule, options):
            if not rule.fits(value):
                yield rule.words


def _values(rule: _Rule, options: Mapping[str, JSON]) -> list[JSON]:
    """The values that a rule is about: one, none where it is not given, several for a list's elements."""
    *groups, name = rule.place.removesuffix("[]").split(".")
    holder: Any = options
    for group in groups:
        holder = holder.get(group)
        if not isinstance(holder, Mapping):
            return []
    if name not in holder:
        return [None] if rule.required else []
    value = holder[name]
    if rule.place.endswith("[]"):
        return list(value) if isinstance(value, list) else []
    return [value]


# --- values that depend on each other ---


def refusal(options: Mapping[str, JSON]) -> str | None:
    """The sentence with which Parse Server refuses these options; ``None`` where it does not."""
    return next(_refusals(options), None)


def _refusals(options: Mapping[str, JSON]) -> Iterator[str]:
    master = options.get("masterKey")
    for other in ("readOnlyMasterKey", "maintenanceKey"):
        if isinstance(master, str) and master == options.get(other):
            yield f"masterKey and {other} should be different"
    yield from _broken(_BEFORE_ADDRESSES, options)
    yield from _reuse(options)
    if options.get("publicServerURL"):
        yield from _address(options["publicServerURL"])
    yield from _session(options)
    for name in ("masterKeyIps", "maintenanceKeyIps", "readOnlyMasterKeyIps"):
        yield from _networks(name, options.get(name))
    yield from _broken(_AFTER_ADDRESSES, options)
    yield from _rate_limit(options.get("rateLimit"))
    yield from _broken(_LAST, options)
    yield from _unknown("requestComplexity", options)
    if options.get("verifyUserEmails"):
        yield from _mail(options)


def _reuse(options: Mapping[str, JSON]) -> Iterator[str]:
    policy = options.get("passwordPolicy")
    reused = isinstance(policy, Mapping) and policy.get("resetTokenReuseIfValid")
    if reused and not policy.get("resetTokenValidityDuration"):
        yield "You cannot use resetTokenReuseIfValid without resetTokenValidityDuration"


def _address(url: JSON) -> Iterator[str]:
    if not isinstance(url, str):
        kind = "boolean" if isinstance(url, bool) else "number" if _number(url) else "object"
        yield f"The option publicServerURL must be a string or function, but got {kind}."
    elif not url.startswith(("http://", "https://")):
        yield "The option publicServerURL must be a valid URL starting with http:// or https://."


def _session(options: Mapping[str, JSON]) -> Iterator[str]:
    if options.get("expireInactiveSessions", True) and "sessionLength" in options:
        length = _numeric(options["sessionLength"])
        if length is None:
            yield "Session length must be a valid number."
        elif length <= 0:
            yield "Session length must be a value greater than 0."


def _networks(name: str, entries: JSON) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else ():
        address = str(entry).partition("/")[0]
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield f'The Parse Server option "{name}" contains an invalid IP address "{address}".'


def _rate_limit(given: JSON) -> Iterator[str]:
    if not given:
        return
    if not isinstance(given, list | Mapping):
        yield "rateLimit must be an array or object"
        return
    for rule in given if isinstance(given, list) else [given]:
        if not isinstance(rule, Mapping):
            yield "rateLimit must be an array of objects"
            return
        required = (("requestPath", _text, "string"), ("requestTimeWindow", _number, "number"),
                    ("requestCount", _number, "number"))  # fmt: skip
        for name, fits, kind in required:
            if rule.get(name) is None:
                yield f"rateLimit.{name} must be defined"
            elif not fits(rule[name]):
                yield f"rateLimit.{name} must be a {kind}"
        optional = (
            ("includeInternalRequests", _boolean, "boolean"),
            ("errorResponseMessage", _text, "string"),
        )
        for name, fits, kind in optional:
            if rule.get(name) and not fits(rule[name]):
                yield f"rateLimit.{name} must be a {kind}"
        if rule.get("zone") and rule["zone"] not in _ZONES:
            yield f"rateLimit.zone must be one of {', '.join(_ZONES[:-1])}, or {_ZONES[-1]}"


def _unknown(group: str, options: Mapping[str, JSON]) -> Iterator[str]:
    given = options.get(group)
    known = {rule.place.partition(".")[2] for rule in _LAST if rule.place.startswith(f"{group}.")}
    for name in given if isinstance(given, Mapping) else ():
        if name not in known:
            yield f"{group} contains unknown property '{name}'."


def _mail(options: Mapping[str, JSON]) -> Iterator[str]:
    """Whoever has addresses verified needs somebody who sends mail, and links that lead back."""
    duration = options.get("emailVerifyTokenValidityDuration")
    if not options.get("emailAdapter"):
        yield "An emailAdapter is required for e-mail verification and password resets."
    if not isinstance(options.get("appName"), str):
        yield "An app name is required for e-mail verification and password resets."
    if not options.get("publicServerURL"):
        yield "The option publicServerURL is required."
    if duration and _numeric(duration) is None:
        yield "Email verify token validity duration must be a valid number."
    if duration and (_numeric(duration) or 0) <= 0:
        yield "Email verify token validity duration must be a value greater than 0."
    if not _unless_given(_boolean)(options.get("emailVerifyTokenReuseIfValid")):
        yield "emailVerifyTokenReuseIfValid must be a boolean value"
    if options.get("emailVerifyTokenReuseIfValid") and not duration:
        yield "You cannot use emailVerifyTokenReuseIfValid without emailVerifyTokenValidityDuration"
    if not _boolean(options.get("emailVerifySuccessOnInvalidEmail", True)):
        yield "emailVerifySuccessOnInvalidEmail must be a boolean value"
