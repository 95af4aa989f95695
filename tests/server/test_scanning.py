"""``requestKeywordDenylist``: the quick look at the keys alone refuses what the look at every pair does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit.codec import dumps, loads
from parsekit.errors import KeyNameError
from parsekit.server.options import ServerOptions
from parsekit.server.scanning import check_keywords

_words = st.sampled_from(["constructor", "a", "_bsontype", "Code", "0", "x.y", "a+", "", "preconstructor"])
_data = st.recursive(
    st.one_of(_words, st.none(), st.booleans(), st.integers(0, 2)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=8,
)
_keywords = st.fixed_dictionaries(
    {}, optional={"key": st.one_of(_words, st.just(None)), "value": st.one_of(_words, st.integers(0, 2))}
)


def _pairs(data: Any) -> Iterator[tuple[str, Any]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield str(key), value
        yield from _pairs(value)


def _fits(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, str):
        return isinstance(given, str) and re.search(wanted, given) is not None
    return type(wanted) is type(given) and wanted == given


def _is_denied(data: Any, denied: list[dict[str, Any]]) -> bool:
    return any(
        keyword and all(_fits(wanted, key if name == "key" else value) for name, wanted in keyword.items())
        for keyword in denied
        for key, value in _pairs(data)
    )


@given(data=_data, denied=st.lists(_keywords, max_size=3))
def test_every_pair_counts(data: Any, denied: list[dict[str, Any]]) -> None:
    for text in (b"", dumps(data).encode()):
        if _is_denied(data, denied):
            with pytest.raises(KeyNameError):
                check_keywords(data, tuple(denied), text)
        else:
            check_keywords(data, tuple(denied), text)


def test_an_escaped_key_is_a_key() -> None:
    text = r'{"\u0063onstructor": 1}'
    with pytest.raises(KeyNameError):
        check_keywords(loads(text), ({"key": "constructor"},), text.encode())


def test_what_is_denied_without_being_asked_for() -> None:
    denied = ServerOptions(app_id="a", master_key="m").request_keyword_denylist
    check_keywords({"a": [{"b": "constructor"}], "_bsontype": "Date"}, denied)
    for body in ({"_bsontype": "Code"}, {"a": [{"constructor": 1}]}, {"x__proto__": {}}):
        with pytest.raises(KeyNameError, match="Prohibited keyword in request data"):
            check_keywords(body, denied)
