"""Parse REST's query JSON <-> constraint trees and query states.

``decode_where`` and ``encode_where`` carry the conditions, ``decode_query`` and ``encode_query`` all
parameters of a find. ``check_against_schema`` makes the refusals that need the types of fields;
``decode_local_where`` reads the conditions as the iOS SDK's local datastore does, which refuses nothing
before an object is tested, ``decode_live_where`` as Parse's live query matcher does.

What the constraints mean is not said here but in ``query.matcher``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsekit._lazily import names_from

if TYPE_CHECKING:
    from parsekit.query.where.decode import QueryLimits, decode_where
    from parsekit.query.where.encode import encode_query, encode_where
    from parsekit.query.where.field_types import check_against_schema
    from parsekit.query.where.live import decode_live_where
    from parsekit.query.where.local import UnsupportedOperator, decode_local_where
    from parsekit.query.where.request import NO_LIMIT, FindRequest, decode_query, decode_url_parameters

__all__ = [
    "NO_LIMIT",
    "FindRequest",
    "QueryLimits",
    "UnsupportedOperator",
    "check_against_schema",
    "decode_live_where",
    "decode_local_where",
    "decode_query",
    "decode_url_parameters",
    "decode_where",
    "encode_query",
    "encode_where",
]

if not TYPE_CHECKING:
    __getattr__ = names_from(
        __name__,
        {
            "decode": (
                "QueryLimits",
                "decode_where",
            ),
            "encode": (
                "encode_query",
                "encode_where",
            ),
            "field_types": ("check_against_schema",),
            "live": ("decode_live_where",),
            "local": (
                "UnsupportedOperator",
                "decode_local_where",
            ),
            "request": (
                "NO_LIMIT",
                "FindRequest",
                "decode_query",
                "decode_url_parameters",
            ),
        },
    )
