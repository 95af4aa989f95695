"""Words that no request may bring: ``requestKeywordDenylist`` (Utils.checkProhibitedKeywords)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from parsekit.codec import JSON, dumps
from parsekit.errors import KeyNameError

__all__ = ["check_keywords"]


def check_keywords(data: JSON, denied: Sequence[Mapping[str, JSON]]) -> None:
    """Refuse data in which a denied key, value or pair of both occurs at any depth.

    Texts of the list are regular expressions that are found anywhere in a key or a value.

    Raises:
        KeyNameError: 105.
    """
    if not denied:
        return
    for key, value in _pairs(data):
        for keyword in denied:
            named = "key" not in keyword or _matches(key, keyword["key"])
            holding = "value" not in keyword or _matches(value, keyword["value"])
            if keyword and named and holding:
                raise KeyNameError(f"Prohibited keyword in request data: {dumps(dict(keyword))}.")


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


def _matches(given: JSON, wanted: JSON) -> bool:
    if isinstance(given, str) and isinstance(wanted, str):
        return re.search(wanted, given) is not None
    return type(given) is type(wanted) and given == wanted
