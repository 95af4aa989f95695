"""Parse JSON <-> values and operations. Nothing else in parsekit knows the wire format.

Three forms of the same value:

* a *value*: what ``values`` lists (``datetime``, ``Pointer``, ``PFGeoPoint``, ``bytes``, ...);
* its *wire JSON*: what REST, live queries and exports carry (``decode_value``, ``encode_value``);
* its *interior text*: what an Array or Object column stores (``encode_interior``, ``decode_interior``).

Law L7: ``decode_value(encode_value(v))`` equals ``v`` (numbers by value), and
``decode_interior(encode_interior(v))`` is ``v`` with the types of its numbers. A dict whose ``__type`` Parse
does not know stays a dict in both.

Not done here: schema types and coercion (``schema``), queries (``query.where``), objects (``object``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsekit._lazily import names_from

if TYPE_CHECKING:
    from parsekit.codec.dates import format_date, format_ms, parse_date
    from parsekit.codec.decoding import close_polygon, decode_value, unchecked_point
    from parsekit.codec.encoding import encode_value
    from parsekit.codec.interior import (
        FIELD_TEXTS,
        check_interior,
        decode_interior,
        encode_fields,
        encode_interior,
        json_string,
    )
    from parsekit.codec.nesting import DEEPEST, STORED_LEVELS, nesting_exceeds, too_deep
    from parsekit.codec.operation_json import decode_operation, encode_operation
    from parsekit.codec.text import JSON, dumps, loads, well_formed

__all__ = [
    "DEEPEST",
    "FIELD_TEXTS",
    "JSON",
    "STORED_LEVELS",
    "check_interior",
    "close_polygon",
    "decode_interior",
    "decode_operation",
    "decode_value",
    "dumps",
    "encode_fields",
    "encode_interior",
    "encode_operation",
    "encode_value",
    "format_date",
    "format_ms",
    "json_string",
    "loads",
    "nesting_exceeds",
    "parse_date",
    "too_deep",
    "unchecked_point",
    "well_formed",
]

if not TYPE_CHECKING:
    __getattr__ = names_from(
        __name__,
        {
            "dates": (
                "format_date",
                "format_ms",
                "parse_date",
            ),
            "decoding": (
                "close_polygon",
                "decode_value",
                "unchecked_point",
            ),
            "encoding": ("encode_value",),
            "interior": (
                "FIELD_TEXTS",
                "check_interior",
                "decode_interior",
                "encode_fields",
                "encode_interior",
                "json_string",
            ),
            "nesting": (
                "DEEPEST",
                "STORED_LEVELS",
                "nesting_exceeds",
                "too_deep",
            ),
            "operation_json": (
                "decode_operation",
                "encode_operation",
            ),
            "text": (
                "JSON",
                "dumps",
                "loads",
                "well_formed",
            ),
        },
    )
