"""Words that no request may bring: ``requestKeywordDenylist`` (Utils.checkProhibitedKeywords)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from parsekit.codec import JSON, dumps, loads
from parsekit.errors import KeyNameError

__all__ = ["check_keywords"]

_MISSING: Final = object()


def check_keywords(data: JSON, denied: tuple[Mapping[str, JSON] | str, ...]) -> None:
    """Refuse data in which a denied key, value or pair of both occurs at any depth.

    Texts of the list are regular expressions that are found anywhere in a key or a value; a text instead of a pair is
    meant for keys.

    Raises:
        KeyNameError: 105.
    """
    if not denied:
        return
    tests = _tests(tuple(dumps(item if isinstance(item, str) else dict(item)) for item in denied))
    for key, value in _pairs(data):
        for wanted_key, wanted_value, text in tests:
            if _passes(key, wanted_key) and _passes(value, wanted_value):
                raise KeyNameError(f"Prohibited keyword in request data: {text}.")


@lru_cache(maxsize=32)
def _tests(denied: tuple[str, ...]) -> tuple[tuple[object, object, str], ...]:
    """What is wanted of a key and of a value, and how the keyword is named to whoever is refused."""
    found = []
    for text in denied:
        stated = loads(text)
        keyword = stated if isinstance(stated, dict) else {"key": stated}
        wanted = [keyword.get(name, _MISSING) for name in ("key", "value")]
        key, value = (re.compile(item) if isinstance(item, str) else item for item in wanted)
        if key is not _MISSING or value is not _MISSING:
            found.append((key, value, text))
    return tuple(found)


def _pairs(data: JSON) -> Iterator[tuple[str, JSON]]:
    waiting: list[JSON] = [data]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            pairs = list(current.items())
        elif isinstance(current, list):
            pairs = [(str(place), item) for place, item in enumerate(current)]
        else:
            continue
        yield from pairs
        waiting.extend(value for _, value in pairs)


def _passes(given: JSON, wanted: object) -> bool:
    if wanted is _MISSING:
        return True
    if isinstance(wanted, re.Pattern):
        return isinstance(given, str) and wanted.search(given) is not None
    return type(given) is type(wanted) and given == wanted
