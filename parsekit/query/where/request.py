"""The parameters of ``GET /classes/C`` -> ``FindRequest``.

The parameters are Parse Server's and no others (ClassesRouter.optionsFromBody); values pass through
JavaScript's ``Number`` and ``String``, and a parameter that is false to JavaScript counts as not given. The
figures of ``limit`` and ``skip`` are then taken as MongoDB takes them: a negative limit by its size,
fractions cut off, no number no limit (recorded q-5309 to q-5313).

Clamping to a maximum limit and refusing ``explain`` to all but the master key belong to the engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, final

from parsekit import attrs
from parsekit.codec import JSON, dumps, loads
from parsekit.errors import InternalServerError, InvalidJsonError, InvalidQueryError
from parsekit.query.ast import ALWAYS
from parsekit.query.keys import (
    ALWAYS_RETURNED,
    CLIENT_KEYS,
    INCLUDE_ALL,
    check_order,
    decode_order,
    js_number,
    js_text,
    split_names,
)
from parsekit.query.state import OrderKey, QueryState
from parsekit.query.where.arguments import truthy
from parsekit.query.where.decode import QueryLimits, decode_where

__all__ = ["NO_LIMIT", "FindRequest", "decode_query", "decode_url_parameters"]

NO_LIMIT: Final = 2**63 - 1
"""The ``limit`` of a query that asks for all; ``None`` asks for the default."""

_PARAMETERS: Final = frozenset(
    {
        "where", "order", "skip", "limit", "count", "keys", "excludeKeys", "include", "includeAll",
        "redirectClassNameForKey", "hint", "explain", "comment", "readPreference", "includeReadPreference",
        "subqueryReadPreference",
    }
)  # fmt: skip


_READ_PREFERENCES: Final = frozenset(
    {"PRIMARY", "PRIMARY_PREFERRED", "SECONDARY", "SECONDARY_PREFERRED", "NEAREST"}
)


@final
@attrs.frozen(slots=True)
class FindRequest:
    """A find as REST asks for it: its query, whether to count too, what ``explain`` was given (or ``None``).

    The count ignores the query's limit and skip.
    """

    state: QueryState
    count: bool = False
    explain: JSON = None


def decode_url_parameters(parameters: Mapping[str, str]) -> dict[str, JSON]:
    """The parameters of a URL: each value as the JSON it spells, or as its text where it spells none."""
    answer: dict[str, JSON] = {}
    for name, text in parameters.items():
        try:
            answer[name] = loads(text)
        except InvalidJsonError:
            answer[name] = text
    return answer


def decode_query(
    class_name: str,
    parameters: Mapping[str, JSON],
    *,
    special_keys: frozenset[str] = CLIENT_KEYS,
    limits: QueryLimits | None = None,
) -> FindRequest:
    """The request that REST parameters make on ``class_name``. ``where`` may be JSON or its text.

    Raises:
        InvalidQueryError: 102 ``Invalid parameter for query: k``, and as ``decode_where``.
        KeyNameError: 105 ``Invalid field name: k.`` in the order, and as ``decode_where``.
        InvalidJsonError: 107, as ``decode_where``.
        InternalServerError: 1, a negative skip.
    """
    for name in parameters:
        if name not in _PARAMETERS:
            raise InvalidQueryError(f"Invalid parameter for query: {name}")
    given = {name: value for name, value in parameters.items() if truthy(value)}
    preferred = given.get("readPreference")
    if isinstance(preferred, str) and preferred.upper() not in _READ_PREFERENCES:
        raise InvalidQueryError("Not supported read preference.")
    where = parameters.get("where")
    state = QueryState(
        class_name,
        ALWAYS if where is None else decode_where(where, special_keys=special_keys, limits=limits),
        order=_order(given.get("order")),
        limit=_limit(parameters.get("limit")),
        skip=_skip(given.get("skip")),
        keys=_names(parameters.get("keys")),
        exclude_keys=_excluded(parameters.get("excludeKeys")),
        include=_include(parameters.get("include"), "includeAll" in given),
        redirect_key=_text(given.get("redirectClassNameForKey")),
        hint=_hint(given.get("hint")),
        comment=comment if isinstance(comment := given.get("comment"), str) else None,
    )
    return FindRequest(state, "count" in given, given.get("explain"))


def _order(value: JSON) -> tuple[OrderKey, ...]:
    if value is None:
        return ()
    order = decode_order(js_text(value))
    check_order(order)
    return order


def _limit(value: JSON) -> int | None:
    if not truthy(value) and (isinstance(value, bool) or value != 0):
        return None
    number = js_number(value)
    if not math.isfinite(number):
        return NO_LIMIT
    size = min(abs(int(number)), NO_LIMIT)
    return NO_LIMIT if size == 0 and number else size


def _skip(value: JSON) -> int:
    number = js_number(value)
    if not math.isfinite(number):
        return 0
    if number < 0:
        raise InternalServerError("An internal server error occurred", hint="skip must not be negative")
    return min(int(number), NO_LIMIT)


def _text(value: JSON) -> str | None:
    return None if value is None else js_text(value)


def _names(value: JSON) -> tuple[str, ...] | None:
    return None if value is None else split_names(js_text(value))


def _excluded(value: JSON) -> tuple[str, ...]:
    return tuple(name for name in _names(value) or () if name not in ALWAYS_RETURNED)


def _include(value: JSON, everything: bool) -> tuple[str, ...]:
    paths = tuple(filter(None, map(_clean_path, _names(value) or ())))
    if "*" in paths:
        return ("*",)  # the other paths are forgotten (RestQuery)
    return (*paths, INCLUDE_ALL) if everything else paths


def _clean_path(path: str) -> str:
    """``path`` up to its first empty component; Parse Server finds nothing to include beyond it."""
    parts = path.split(".")
    return ".".join(parts[: parts.index("")] if "" in parts else parts)


def _hint(value: JSON) -> str | None:
    if isinstance(value, dict | list):
        return dumps(value)
    return value if isinstance(value, str) else None
