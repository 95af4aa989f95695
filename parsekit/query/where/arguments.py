"""The arguments of single operators, from JSON to what ``ast`` lists for each.

A reader refuses what MongoTransform refuses. It gets the operator and the whole constraint it stands in,
since ``$options`` and the distances belong to a neighbor. Operators that hold queries are read by ``decode``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from parsekit.codec import JSON, decode_value, parse_date
from parsekit.errors import InvalidJsonError, TypeMismatchError
from parsekit.query.ast import RegexPattern, RelativeTime, TextSearch
from parsekit.query.keys import CLIENT_KEYS, js_text
from parsekit.query.relative_time import check_relative_time
from parsekit.query.where.geo_json import decode_area, decode_box, decode_intersection, decode_near
from parsekit.values import Pointer, Value

__all__ = ["RAW_KEYS", "READERS", "Reader", "atom", "equal_to", "truthy"]

Reader: TypeAlias = Callable[[str, dict[str, JSON]], Value]

RAW_KEYS: Final = frozenset({"objectId", "sessionToken", "timesUsed"}) | CLIENT_KEYS
"""Keys whose values MongoTransform hands to the database as they are."""

# MongoTransform turns a plain text under these keys into a date; under an operator it does not.
_DATE_KEYS: Final = frozenset(
    {
        "createdAt", "updatedAt", "expiresAt", "lastUsed", "_email_verify_token_expires_at",
        "_account_lockout_expires_at", "_perishable_token_expires_at", "_password_changed_at",
    }
)  # fmt: skip


def truthy(value: JSON) -> bool:
    """JavaScript's truth, to which empty arrays and objects are true."""
    return bool(value) or isinstance(value, list | dict)


def atom(value: JSON) -> Value:
    """A value in a query. A malformed typed value is no error here but matches nothing (recorded q-5331)."""
    try:
        return decode_value(value)
    except TypeMismatchError:
        if value.get("__type") != "Pointer":
            return dict(value)
        return Pointer(*(js_text(value[k]) if k in value else "undefined" for k in ("className", "objectId")))


def equal_to(key: str, value: JSON) -> Value:
    """The argument of ``{key: value}`` for a value that is no object."""
    if isinstance(value, list):
        if not value:
            return {}  # MongoTransform takes an empty array for a constraint without operators
        if "." not in key and key not in RAW_KEYS:
            raise InvalidJsonError(f"You cannot use {js_text(value)} as a query parameter.")
    if isinstance(value, str) and key in _DATE_KEYS:
        try:
            return parse_date(value)
        except InvalidJsonError:
            return value  # compares a date with a text, and so matches nothing
    return atom(value)


def _value(op: str, operators: dict[str, JSON]) -> Value:
    value = operators[op]
    if isinstance(value, dict) and truthy(value.get("$relativeTime")):
        raise InvalidJsonError("$relativeTime can only be used with the $lt, $lte, $gt, and $gte operators")
    return atom(value)


def _bound(op: str, operators: dict[str, JSON]) -> Value:
    value = operators[op]
    if isinstance(value, dict) and truthy(value.get("$relativeTime")):
        return RelativeTime(check_relative_time(op, value["$relativeTime"]))
    return atom(value)


def _exists(op: str, operators: dict[str, JSON]) -> bool:
    value = _value(op, operators)
    # MongoDB's truth: only null, false and 0 are false.
    return not (value is None or (isinstance(value, int | float) and value == 0))


def _members(op: str, operators: dict[str, JSON]) -> tuple[Value, ...]:
    value = operators[op]
    if not isinstance(value, list):
        refusal = "bad $containedBy: should be an array" if op == "$containedBy" else f"bad {op} value"
        raise InvalidJsonError(refusal)
    return tuple(atom(item) for item in value)


def _required(op: str, operators: dict[str, JSON]) -> tuple[Value, ...]:
    value = operators[op]
    if not isinstance(value, list):
        raise InvalidJsonError(f"bad {op} value")
    values = tuple(_pattern(item) if _is_pattern(item) else atom(item) for item in value)
    if any(isinstance(item, RegexPattern) for item in values):
        prefixes = [_is_prefix(item) for item in values]
        # As MongoTransform has it: one pattern must be a prefix, several must be alike in that.
        if prefixes != [True] * len(values) and (len(values) == 1 or any(prefixes)):
            raise InvalidJsonError(f"All $all values must be of regex type or none: {js_text(value)}")
    return values


def _is_pattern(value: JSON) -> bool:
    return isinstance(value, dict) and "$regex" in value


def _pattern(value: dict[str, JSON]) -> RegexPattern:
    return RegexPattern(js_text(value["$regex"]))


def _is_prefix(value: Value) -> bool:
    if not isinstance(value, RegexPattern):
        return False
    text = value.pattern
    return text.startswith("^\\Q") and text.endswith("\\E") and len(text) > 4


def _regex(op: str, operators: dict[str, JSON]) -> RegexPattern:
    pattern = operators[op]
    if not isinstance(pattern, str):
        raise InvalidJsonError(f"bad regex: {js_text(pattern)}")
    return RegexPattern(pattern, operators.get("$options") or "")


def _text_search(op: str, operators: dict[str, JSON]) -> TextSearch:
    value = operators[op]
    search = value.get("$search") if isinstance(value, dict) else None
    if not isinstance(search, dict):
        raise InvalidJsonError("bad $text: $search, should be object")
    term = search.get("$term")
    if not isinstance(term, str) or not term:
        raise InvalidJsonError("bad $text: $term, should be string")
    language = search.get("$language")
    if language and not isinstance(language, str):
        raise InvalidJsonError("bad $text: $language, should be string")
    flags = [search.get(name) for name in ("$caseSensitive", "$diacriticSensitive")]
    for name, flag in zip(("$caseSensitive", "$diacriticSensitive"), flags, strict=True):
        if truthy(flag) and not isinstance(flag, bool):
            raise InvalidJsonError(f"bad $text: {name}, should be boolean")
    case, diacritic = (flag if isinstance(flag, bool) else None for flag in flags)
    return TextSearch(term, language or None, case, diacritic)


READERS: Final[dict[str, Reader]] = {
    "$eq": _value,
    "$ne": _value,
    "$lt": _bound,
    "$lte": _bound,
    "$gt": _bound,
    "$gte": _bound,
    "$exists": _exists,
    "$in": _members,
    "$nin": _members,
    "$containedBy": _members,
    "$all": _required,
    "$regex": _regex,
    "$text": _text_search,
    "$nearSphere": lambda op, operators: decode_near(operators[op], operators),
    "$within": lambda op, operators: decode_box(operators[op]),
    "$geoWithin": lambda op, operators: decode_area(operators[op]),
    "$geoIntersects": lambda op, operators: decode_intersection(operators[op]),
}
"""Operator -> reader, for all but those that hold queries and those that only qualify a neighbor."""
