"""Values <-> the JSON text under which Array and Object columns hold them.

This is on the read path of every such field: text without typed values takes no detour through Python.
Numbers keep their types: ``5.0`` is written ``5.0`` and read as a float.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from parsekit.codec.dates import format_date
from parsekit.codec.decoding import read_interior
from parsekit.codec.encoding import text_key, typed_json
from parsekit.codec.nesting import STORED_LEVELS, too_deep
from parsekit.codec.text import text_decoder, well_formed
from parsekit.errors import InvalidJsonError, NestedKeyError
from parsekit.values import Pointer, Value

__all__ = [
    "FIELD_TEXTS",
    "check_interior",
    "decode_interior",
    "encode_fields",
    "encode_interior",
    "json_string",
]

_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=typed_json
)


def _text_encoder() -> Callable[[Value], str]:
    """``JSONEncoder.encode`` without what it sets up at each call, which costs more than a small value's text."""
    make = getattr(json.encoder, "c_make_encoder", None)  # CPython's; others have the class only
    if make is None:
        return _ENCODER.encode
    quote = json.encoder.encode_basestring
    chunks = make(None, typed_json, quote, None, ":", ",", False, False, False)

    def encode(value: Value) -> str:
        return quote(value) if isinstance(value, str) else "".join(chunks(value, 0))

    return encode


_encode: Final = _text_encoder()
_decode_plain: Final = text_decoder(None)
_decode_typed: Final = text_decoder(read_interior)


def encode_interior(value: Value) -> str:
    """The JSON text under which an Array or Object column holds ``value``. Numbers keep their types.

    Raises:
        InvalidJsonError: 107, a NaN or an infinity.
        TypeError: Parse has no such value.
    """
    try:
        return well_formed(_encode(value))
    except ValueError as error:
        if "JSON compliant" in str(error):
            raise InvalidJsonError("number: NaN and infinities are not Parse numbers") from None
        raise


def _date_text(value: datetime) -> str:
    return f'{{"__type":"Date","iso":"{format_date(value)}"}}'


def _pointer_text(value: Pointer) -> str:
    class_name, object_id = _quote(value.class_name), _quote(value.object_id)
    return f'{{"__type":"Pointer","className":{class_name},"objectId":{object_id}}}'


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        raise InvalidJsonError("number: NaN and infinities are not Parse numbers")
    return float.__repr__(value)


_quote: Final = json.encoder.encode_basestring
json_string: Final[Callable[[str], str]] = _quote
"""A text as JSON, in quotes. It is the encoder's own function: a result calls it for each of its texts."""

FIELD_TEXTS: Final[Mapping[type, Callable[[Any], str]]] = {
    str: _quote,
    int: int.__repr__,
    float: _float_text,
    bool: {False: "false", True: "true"}.__getitem__,
    type(None): lambda _: "null",
    datetime: _date_text,
    Pointer: _pointer_text,
}
"""The text of a value by its type, where that is quicker than the encoder's; it says the same."""


def encode_fields(fields: Mapping[str, Value]) -> str:
    """``encode_interior`` of the fields of an object, in half its time: these are few, and most are scalars or typed.

    Raises:
        InvalidJsonError: 107, a NaN or an infinity.
        TypeError: Parse has no such value.
    """
    try:
        members = [
            f"{_quote(key)}:{FIELD_TEXTS.get(type(value), _encode)(value)}" for key, value in fields.items()
        ]
    except ValueError:
        return encode_interior(fields)  # which says what is wrong
    return well_formed(f"{{{','.join(members)}}}")


def decode_interior(text: str) -> Value:
    """The value of a text that ``encode_interior`` made. The text is trusted: it comes from a column."""
    return _decode_typed(text) if '"__type"' in text else _decode_plain(text)


def check_interior(value: Value, levels: int = STORED_LEVELS) -> None:
    """Refuses what no Array or Object field may hold at any depth, and more than ``levels`` of nesting.

    Raises:
        NestedKeyError: 121, a key of a nested dict contains ``$`` or ``.``.
        InternalServerError: 1, nested too deeply.
        TypeError: a key is not a string, or Parse has no such value.
    """
    _check(value, levels, levels)


def _check(value: Value, left: int, levels: int) -> None:
    if isinstance(value, dict):
        if left <= 0:
            raise too_deep(levels)
        for key, item in value.items():
            name = text_key(key)
            if "$" in name or "." in name:
                raise NestedKeyError("Nested keys should not contain the '$' or '.' characters")
            _check(item, left - 1, levels)
    elif isinstance(value, list | tuple):
        if left <= 0:
            raise too_deep(levels)
        for item in value:
            _check(item, left - 1, levels)
    elif not (value is None or isinstance(value, str | int | float)):
        typed_json(value)
