"""Writes ``docs/ios-surface.md`` from ``tests/ios_surface.py``: ``python -m tests.generate_ios_table``."""

from __future__ import annotations

from pathlib import Path

from tests.ios_surface import SURFACE, Row

PAGE = Path(__file__).parents[1] / "docs" / "ios-surface.md"
HEAD = """\
# The iOS SDK, selector by selector

Written by `python -m tests.generate_ios_table`; change `tests/ios_surface.py` instead of this page.

The first part of a selector is the method, each further part a keyword: `whereKey:equalTo:` is
`where_key(key, equal_to=value)`. `InBackground`, block and NSError forms are one synchronous method. A `*` stands for
the forms of one selector.
"""


def _cell(row: Row) -> str:
    if row.target:
        return f"`{row.target}`" + (f"; {row.note}" if row.note else "")
    return f"not offered: {row.note}" + (f" (`{row.planned}`)" if row.planned else "")


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for section, rows in SURFACE.items():
        parts.append(f"\n## {section}\n\n| iOS | parsekit |\n|---|---|\n")
        parts += [f"| `{row.selector}` | {_cell(row)} |\n" for row in rows]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
