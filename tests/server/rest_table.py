"""The table of routes in docs/rest.md, made from the route table: ``python -m tests.server.rest_table`` renews it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from parsekit.server.dispatch import route_table
from parsekit.server.faults import no_route

PAGE: Final = Path(__file__).parents[2] / "docs" / "rest.md"
_START: Final = "<!-- routes: python -m tests.server.rest_table -->\n"
_END: Final = "\n<!-- /routes"
_METHODS = ("GET", "POST", "PUT", "DELETE")
_KINDS = {"api": "yes", "raw": "yes", "upload": "yes", "public": "no"}


def table() -> str:
    """The lines of the table."""
    methods: dict[str, set[str]] = {}
    keys: dict[str, set[str]] = {}
    for entry in route_table(lambda call: no_route(call.method, call.path)):
        methods.setdefault(entry.pattern, set()).add(entry.method)
        keys.setdefault(entry.pattern, set()).add(_KINDS[entry.kind])
    rows = [
        f"| `{path}` | {' '.join(name for name in _METHODS if name in found)} | {'/'.join(sorted(keys[path]))} |"
        for path, found in sorted(methods.items())
    ]
    return "\n".join(["| path below the mount | methods | keys |", "|---|---|---|", *rows])


def shown() -> str:
    """The table as the page has it."""
    return PAGE.read_text(encoding="utf-8").partition(_START)[2].partition(_END)[0]


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.replace(shown(), table()), encoding="utf-8")
