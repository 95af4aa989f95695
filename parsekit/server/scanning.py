"""Words that no request may bring: ``requestKeywordDenylist`` (Utils.checkProhibitedKeywords)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, final

import attrs

from parsekit.codec import JSON, dumps, loads
from parsekit.errors import KeyNameError

__all__ = ["check_keywords"]

_MISSING: Final = object()
_WORD: Final = re.compile("[A-Za-z0-9_]+")


def check_keywords(data: JSON, denied: tuple[Mapping[str, JSON] | str, ...], text: bytes = b"") -> None:
    """Refuse data in which a denied key, value or pair of both occurs at any depth.

    Texts of the list are regular expressions that are found anywhere in a key or a value; a text instead of a pair is
    meant for keys. ``text`` is the JSON that the data was read from, where there is one.

    Raises:
        KeyNameError: 105.
    """
    if not denied:
        return
    wanted = _wanted(tuple(map(_spelling, denied)))
    if wanted.any_key is not None:
        # a key stands in its JSON as it is, unless something of it is escaped
        if text[:1] == b"{" and b"\\" not in text and wanted.any_key.search(text) is None:
            return
        if not any(wanted.any_key.search(key.encode(errors="replace")) for key in _keys(data)):
            return
    for key, value in _pairs(data):
        for wanted_key, wanted_value, name in wanted.tests:
            if _passes(key, wanted_key) and _passes(value, wanted_value):
                raise KeyNameError(f"Prohibited keyword in request data: {name}.")


def _spelling(keyword: Mapping[str, JSON] | str) -> tuple[str, str] | str:
    """What stands for an entry of the list in a cache, the common ones without becoming JSON."""
    if isinstance(keyword, str):
        return ("", keyword)
    if len(keyword) == 1 and isinstance(key := keyword.get("key"), str):
        return ("key", key)
    return dumps(dict(keyword))


@final
@attrs.frozen(slots=True)
class _Wanted:
    """A list ready to be looked for: what is wanted of a key and of a value, and the name for whoever is refused.

    Data without a key in which ``any_key`` is found is fine; ``None`` where keys alone do not tell.
    """

    tests: tuple[tuple[object, object, str], ...]
    any_key: re.Pattern[bytes] | None


@lru_cache(maxsize=32)
def _wanted(denied: tuple[tuple[str, str] | str, ...]) -> _Wanted:
    found = []
    words: list[str] | None = []
    for spelling in denied:
        keyword, text = _keyword(spelling)
        key, value = (_pattern(keyword.get(name, _MISSING)) for name in ("key", "value"))
        if key is _MISSING and value is _MISSING:
            continue
        found.append((key, value, text))
        word = keyword.get("key")
        # places in lists count as keys, and are not among ``_keys``
        is_word = isinstance(word, str) and _WORD.fullmatch(word) is not None and not word.isdigit()
        words = [*words, str(word)] if is_word and words is not None else None
    return _Wanted(tuple(found), None if not words else re.compile("|".join(words).encode()))


def _keyword(spelling: tuple[str, str] | str) -> tuple[dict[str, JSON], str]:
    """An entry of the list by its spelling, and its name."""
    if isinstance(spelling, str):
        stated = loads(spelling)
        assert isinstance(stated, dict)
        return stated, spelling
    name, word = spelling
    return {"key": word}, dumps({name: word} if name else word)


def _pattern(item: object) -> object:
    return re.compile(item) if isinstance(item, str) else item


def _keys(data: JSON) -> set[str]:
    """The keys of all objects in ``data``."""
    keys: set[str] = set()
    waiting: list[JSON] = [data]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            keys.update(current)
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
    return keys


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
