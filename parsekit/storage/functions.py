"""The SQL functions that parsekit registers with every connection.

Each takes a Python callable bound as a value, so one registration serves every query: the matcher's predicate for
``pk_test``, an order key for ``pk_order``. An exception that the callable raises ends the statement and reaches the
caller unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import apsw

__all__ = ["register", "sql_callable", "token_text"]


def sql_callable(function: Callable[..., Any]) -> Any:
    """``function`` as a value that can be bound and that the SQL functions below call."""
    return apsw.pyobject(function)


def _test(predicate: Callable[..., bool], *cells: Any) -> bool:
    return predicate(*cells)


def _order(key: Callable[..., bytes | None], *cells: Any) -> bytes | None:
    return key(*cells)


def _distance(
    latitude: float | None, longitude: float, to_latitude: float, to_longitude: float
) -> float | None:
    """The haversine angle in radians, as ``PFGeoPoint.distance_in_radians_to`` computes it."""
    if latitude is None:
        return None
    lat1, lat2 = math.radians(latitude), math.radians(to_latitude)
    sin_lat = math.sin((lat1 - lat2) / 2.0)
    sin_lng = math.sin(math.radians(longitude - to_longitude) / 2.0)
    a = sin_lat * sin_lat + math.cos(lat1) * math.cos(lat2) * sin_lng * sin_lng
    return 2.0 * math.asin(math.sqrt(min(1.0, a)))


def _tokens(text: str | None) -> str | None:
    """The words of a text for a text index, each as the hexadecimal digits of its UTF-8, which no tokenizer changes."""
    from parsekit.query.text import index_words

    return None if text is None else token_text(index_words(text))


def token_text(words: Iterable[str], separator: str = " ") -> str:
    """Words as a text index holds them."""
    return separator.join(f"x{word.encode().hex()}" for word in words)


def register(connection: apsw.Connection) -> None:
    """Add the functions to a connection."""
    functions: tuple[tuple[str, Any, int], ...] = (
        ("pk_test", _test, -1),
        ("pk_order", _order, -1),
        ("pk_distance", _distance, 4),
        ("pk_tokens", _tokens, 1),
    )
    for name, function, arity in functions:
        connection.create_scalar_function(name, function, arity)
