"""The doctests of the modules behind the iOS surface."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

MODULES = [
    "query.selectors",
    "query.predicate",
    "query.predicate_syntax",
    "query.predicate_tree",
    "query.lint",
    "testing",
]


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str):
    result = doctest.testmod(import_module(f"parsekit.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
