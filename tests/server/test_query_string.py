"""Parameters of a URL, as Express's extended parser reads them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit.server.query_string import read_parameters


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a=1&a=2", {"a": ["1", "2"]}),
        ("where[title][$regex]=%5EA&keys=title", {"where": {"title": {"$regex": "^A"}}, "keys": "title"}),
        ("where%5Btitle%5D=x", {"where": {"title": "x"}}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[x]=1&a[x]=2", {"a": {"x": ["1", "2"]}}),
        ("a[b][c][d][e][f][g]=1", {"a": {"b": {"c": {"d": {"e": {"f": {"[g]": "1"}}}}}}}),
        ("[a]=1", {"[a]": "1"}),
        ("a[b=1", {"a[b": "1"}),
        ("a=1&a[b]=2", {"a": "1"}),
    ],
)
def test_what_is_read(query: str, read: dict[str, Any]) -> None:
    found = read_parameters(query)
    assert {
        key: text if isinstance(read[key], str) else json.loads(text) for key, text in found.items()
    } == read


@given(st.lists(st.tuples(st.text("a[]0$1", max_size=12), st.text("x[=", max_size=3)), max_size=6))
def test_nothing_breaks_it(pairs: list[tuple[str, str]]) -> None:
    for name, value in read_parameters(urlencode(pairs)).items():
        assert isinstance(name, str)
        assert isinstance(value, str)
