"""Every Python block of README.md and docs/*.md runs, from top to bottom, one namespace per file.

A file runs in an empty directory, in a context of its own (an engine that it opens and leaves open is closed at the
end), and may use ``await``. A block of ``>>>`` lines is a doctest: its output counts. A block that shall not run is
no ``python`` block; there is no switch.
"""

from __future__ import annotations

import ast
import asyncio
import contextvars
import doctest
import inspect
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from parsekit._context import CURRENT
from parsekit.query.ast import Op
from parsekit.query.dialect_rules import RULES
from parsekit.query.selectors import Constraints

ROOT = Path(__file__).parents[2]
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))) if path.exists()]
_BLOCK = re.compile(
    r"^(?P<indent>[ ]*)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)


def blocks(page: Path) -> list[tuple[int, str, str]]:
    """Line, info string and text of each fenced block."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("text"))
        found.append((line, match["info"].strip(), inspect.cleandoc("\n" + match["text"]) + "\n"))
    return found


def run(page: Path, line: int, text: str, names: dict[str, Any]) -> None:
    """Run a block; tracebacks show the line of the page."""
    if text.lstrip().startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), line)
        doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False)
        names.update(test.globs)
        return
    code = compile("\n" * line + text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))
    else:
        exec(code, names)


def run_page(page: Path) -> None:
    names: dict[str, Any] = {"__name__": "__docs__"}
    try:
        for line, info, text in blocks(page):
            if info == "python":
                run(page, line, text, names)
    finally:
        left_open = CURRENT.get()
        if left_open is not None:
            left_open.engine.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    contextvars.copy_context().run(run_page, page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_excused(page: Path):
    excused = [
        f"{page.name}:{line}: {info}"
        for line, info, _ in blocks(page)
        if "python" in info and info != "python"
    ]
    assert excused == []


def test_the_query_page_shows_what_each_query_is_in_rest():
    page = ROOT / "docs" / "queries.md"
    names: dict[str, Any] = {}
    checked = 0
    for line, info, text in blocks(page):
        if info == "python" and "parsekit.open" not in text:
            run(page, line, text, names)
        elif info == "json":
            assert names["query"].to_json() == json.loads(text), f"{page.name}:{line}"
            checked += 1
    assert checked > 30


def test_every_operator_has_an_example():
    text = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    missing = [name for name in Constraints.__annotations__ if f"{name}=" not in text]
    missing += [op for op in get_args(Op) if op != "$eq" and f'"{op}"' not in text]
    assert missing == []


def test_the_dialect_page_lists_every_rule():
    text = (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8")
    for name, words in RULES.items():
        assert f"| `{name}` | {words.server} | {words.local} | {words.source} |" in text


def test_a_failing_block_fails(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("text\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        run_page(page)
