"""The table of routes in docs/rest.md, made from the route table: ``python -m tests.server.rest_table`` prints it."""

from __future__ import annotations

from parsekit.server.dispatch import route_table
from parsekit.server.faults import no_route

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


if __name__ == "__main__":
    print(table())
