"""Design section 6: every selector of the SDK is either mapped to a name that exists, or not offered for a reason."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import parsekit
from parsekit.file import PFFile
from parsekit.query.selectors import Constraints
from parsekit.relation import PFRelation
from tests.generate_ios_table import PAGE, page
from tests.ios_surface import SURFACE, Row

ROWS = [row for rows in SURFACE.values() for row in rows]
NAMES = {
    name: getattr(parsekit, name) for name in parsekit.__all__ if isinstance(getattr(parsekit, name), type)
}
CLASSES: dict[str, Any] = {**NAMES, "PFFile": PFFile, "PFRelation": PFRelation}
OPERATORS = {"PFObject[]": "__getitem__", "PFObject[]=": "__setitem__", "PFObject del[]": "__delitem__"}
_TARGET = re.compile(r"(\w+)\.(\w+)(?:\((\w+)=\))?\Z")


def exists(target: str) -> bool:
    if target in OPERATORS:
        return hasattr(parsekit.PFObject, OPERATORS[target])
    match = _TARGET.match(target)
    assert match is not None, target
    owner, name, keyword = match.groups()
    member = getattr(CLASSES[owner], name, None)
    if member is None:
        return name in getattr(CLASSES[owner], "__annotations__", {})
    if keyword is None:
        return True
    if (owner, name) == ("PFQuery", "where_key"):
        return keyword in Constraints.__annotations__
    return keyword in inspect.signature(member).parameters


@pytest.mark.parametrize("row", [row for row in ROWS if row.target], ids=lambda row: row.selector)
def test_what_is_mapped_exists(row: Row):
    assert exists(row.target), row


@pytest.mark.parametrize("row", [row for row in ROWS if not row.target], ids=lambda row: row.selector)
def test_what_is_not_offered_has_a_reason_and_does_not_exist(row: Row):
    assert row.note
    if row.planned:
        assert not exists(row.planned), (
            f"{row.planned} exists now: map {row.selector} to it in tests/ios_surface.py"
        )


def test_every_operator_of_where_key_has_a_selector():
    mapped = {match[3] for row in ROWS if (match := _TARGET.match(row.target)) and match[2] == "where_key"}
    companions = {"to_northeast", "in_query"}
    assert set(Constraints.__annotations__) == mapped | companions


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.generate_ios_table"
