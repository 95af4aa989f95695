"""JSON text <-> JSON.

Integers beyond 64 bits become floats; NaN, infinities and numbers beyond a float's range are refused. Lone
surrogates, which UTF-8 (and so SQLite) cannot hold, become U+FFFD, as Node writes them to MongoDB.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

from parsekit.errors import InvalidJsonError

__all__ = ["JSON", "MAX_INT", "MIN_INT", "dumps", "loads", "text_decoder", "well_formed"]

JSON: TypeAlias = Any
"""What ``json.loads`` gives: ``None``, ``bool``, ``int``, ``float``, ``str``, ``list``, ``dict``."""

MAX_INT: Final = 2**63 - 1
MIN_INT: Final = -(2**63)

# Only a number with 19 digits or a three-digit exponent can leave the range of 64 bits or of a float.
# The pattern begins with a set, which the search finds six times as fast as an alternative.
_WIDE_NUMBER: Final = re.compile(r"[0-9](?:[0-9]{18}|[eE]\+?[0-9]{3})")
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def well_formed(text: str) -> str:
    """``text`` with each lone surrogate replaced by U+FFFD and each surrogate pair joined."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _refuse_number(_text: str) -> NoReturn:
    raise InvalidJsonError("JSON: NaN, infinities and numbers beyond a double's range are not Parse numbers")


def _wide_int(text: str) -> int | float:
    # The length test comes first: int() refuses texts of more than 4300 digits.
    if len(text) <= 20 and MIN_INT <= (number := int(text)) <= MAX_INT:
        return number
    return _finite_float(text)


def _finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse_number(text)
    return number


def text_decoder(object_hook: Callable[[dict[str, JSON]], Any] | None) -> Callable[[str], JSON]:
    """A function from JSON text to JSON, ``object_hook`` being called with every object."""
    plain = json.JSONDecoder(object_hook=object_hook, parse_constant=_refuse_number).decode
    wide = json.JSONDecoder(
        object_hook=object_hook,
        parse_constant=_refuse_number,
        parse_int=_wide_int,
        parse_float=_finite_float,
    ).decode

    def decode(text: str) -> JSON:
        return (wide if _WIDE_NUMBER.search(text) else plain)(text)

    return decode


def _well_formed_tree(value: JSON) -> JSON:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [_well_formed_tree(item) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): _well_formed_tree(item) for key, item in value.items()}
    return value


_decode: Final = text_decoder(None)
_encode_wire: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def loads(text: str | bytes) -> JSON:
    """The JSON that ``text`` holds. Of duplicate keys the last counts.

    Raises:
        InvalidJsonError: 107, not JSON, nested too deeply, or a number that Parse cannot hold.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()
        value = _decode(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidJsonError("invalid JSON", hint=str(error)) from None
    except RecursionError:
        raise InvalidJsonError("invalid JSON", hint="it is nested too deeply") from None
    if not text.isascii() or _SURROGATE_ESCAPE.search(text):
        return _well_formed_tree(value)
    return value


def dumps(value: JSON) -> str:
    """``value`` as compact JSON text, non-ASCII characters as they are.

    Raises:
        InvalidJsonError: 107, a NaN or an infinity.
    """
    try:
        return well_formed(_encode_wire(value))
    except ValueError:
        raise InvalidJsonError("JSON: NaN and infinities are not Parse numbers") from None
