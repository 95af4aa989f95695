"""docs/rest.md names the routes that there are."""

from __future__ import annotations

from pathlib import Path

from tests.server.rest_table import table

PAGE = Path(__file__).parents[2] / "docs" / "rest.md"


def test_the_table_is_the_route_table() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition("tests.server.rest_table -->\n")[2]
    assert shown.partition("\n<!-- /routes")[0] == table(), "run: python -m tests.server.rest_table"
