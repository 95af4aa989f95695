"""The names that a query uses: keys of conditions, order keys, projections, include paths.

A key of a condition is letters, digits, underscores and dots, beginning with a letter, or one of a few
internal names that Parse Server lets through (DatabaseController.validateQuery). An order key's first
component must be a valid field name. Everything else about an unknown key is the matcher's: to it an unknown
field is a missing one.

REST parameters pass through JavaScript's ``String`` and ``Number`` on their way into Parse Server, so
``limit=true`` means 1 and ``keys=["a","b"]`` means ``a,b``; ``js_text`` and ``js_number`` say how.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final

from parsekit.codec import JSON
from parsekit.errors import KeyNameError
from parsekit.query.state import OrderKey, QueryState
from parsekit.schema import is_word

__all__ = [
    "ALWAYS_RETURNED",
    "CLIENT_KEYS",
    "INCLUDE_ALL",
    "MASTER_KEYS",
    "SCORE",
    "check_key",
    "check_order",
    "decode_order",
    "encode_order",
    "include_paths",
    "js_number",
    "js_text",
    "split_names",
]

ALWAYS_RETURNED: Final = ("objectId", "createdAt", "updatedAt", "ACL")
"""The keys that every result has, whatever its projection says."""

INCLUDE_ALL: Final = "**"
"""Stands among the includes of a query for REST's option ``includeAll``; ``*`` there is an include of that name."""

CLIENT_KEYS: Final = frozenset({"_rperm", "_wperm"})
"""Internal names that anybody's conditions may use."""

MASTER_KEYS: Final = CLIENT_KEYS | {
    "_account_lockout_expires_at",
    "_email_verify_token",
    "_email_verify_token_expires_at",
    "_failed_login_count",
    "_password_changed_at",
    "_password_history",
    "_perishable_token",
    "_perishable_token_expires_at",
    "_session_token",
    "_tombstone",
}
"""Internal names that conditions under the master key may use."""

_ORDER_ALIASES: Final = {"_created_at": "createdAt", "_updated_at": "updatedAt"}
_AUTH_DATA_ID: Final = r"authData\.[a-zA-Z0-9_]+\.id"

SCORE: Final = "$score"
"""The key of a ``$text``'s relevance, in an order and among the keys to return (there as ``score``)."""


def check_key(key: str, special_keys: frozenset[str]) -> None:
    """Refuses what cannot be the key of a condition.

    Raises:
        KeyNameError: 105 ``Invalid key name: k``.
    """
    if not is_word(key.replace(".", "_")) and key not in special_keys:
        raise KeyNameError(f"Invalid key name: {key}")


def decode_order(text: str) -> tuple[OrderKey, ...]:
    """The order keys of ``-amount,createdAt``.

    A key given twice keeps its first place and its last direction. ``_created_at`` and ``_updated_at`` stand
    for ``createdAt`` and ``updatedAt`` (DatabaseController.find). Names are not checked: ``check_order`` does
    that.
    """
    directions: dict[str, bool] = {}
    for part in text.split(","):
        name = part.strip()
        if name in (SCORE, "-" + SCORE):
            directions[SCORE] = False
        elif name.startswith("-"):
            directions[name[1:]] = True
        else:
            directions[name] = False
    for alias, name in _ORDER_ALIASES.items():
        if alias in directions:
            directions[name] = directions.pop(alias)
    return tuple(OrderKey(name, descending) for name, descending in directions.items())


def check_order(order: Iterable[OrderKey]) -> None:
    """Refuses order keys whose first component is no field name.

    Raises:
        KeyNameError: 105 ``Invalid field name: k.`` or ``Cannot sort by authData.x.id``.
    """
    for item in order:
        if item.key == SCORE:
            continue
        if item.key.startswith("authData.") and re.fullmatch(_AUTH_DATA_ID, item.key):
            raise KeyNameError(f"Cannot sort by {item.key}")
        root = item.key.partition(".")[0]
        if not is_word(root) or root in ("length", "className"):
            raise KeyNameError(f"Invalid field name: {item.key}.")


def encode_order(order: Iterable[OrderKey]) -> str:
    """The REST text of an order: names joined by commas, ``-`` before descending ones."""
    return ",".join(f"-{item.key}" if item.descending else item.key for item in order)


def split_names(text: str) -> tuple[str, ...]:
    """The names of a comma list, each once, empty ones dropped."""
    return tuple(dict.fromkeys(name for name in text.split(",") if name))


def include_paths(state: QueryState) -> tuple[str, ...]:
    """Every path that a query includes, shorter ones first; with ``*`` among them no others (RestQuery).

    ``a.b`` includes ``a`` as well. A dotted name in ``keys`` or ``exclude_keys`` includes the path above it,
    since there would be nothing to project otherwise (RestQuery).
    """
    if (
        "*" in state.include
    ):  # what ``with_all_includes`` wrote in its place, and nothing that ``keys`` would add
        return tuple(path for path in state.include if path != "*")
    forced = [name.rpartition(".")[0] for name in (*(state.keys or ()), *state.exclude_keys)]
    found: dict[str, None] = {}
    for path in (*state.include, *forced):
        parts = path.split(".") if path else []
        for length in range(1, len(parts) + 1):
            if not parts[length - 1]:
                break
            found.setdefault(".".join(parts[:length]))
    return tuple(sorted(found, key=lambda path: path.count(".")))


def js_text(value: JSON) -> str:
    """What JavaScript's ``String`` makes of a JSON value."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join("" if item is None else js_text(item) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value)


def js_number(value: JSON) -> float:
    """What JavaScript's ``Number`` makes of a JSON value; NaN where it makes none."""
    if value is None:
        return 0.0
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list):
        return js_number(js_text(value))
    if not isinstance(value, str):
        return math.nan
    text = value.strip()
    if not text:
        return 0.0
    try:
        if text[:2].lower() in ("0x", "0o", "0b"):
            return float(int(text, 0))
        return math.nan if "_" in text or text.lower().lstrip("+-") in ("nan", "inf") else float(text)
    except ValueError:
        return math.nan
