"""docs/rest.md names the routes that there are."""

from __future__ import annotations

from tests.server.rest_table import shown, table


def test_the_table_is_the_route_table() -> None:
    assert shown() == table(), "run: python -m tests.server.rest_table"
