"""The Python examples of docs/crm.md run as they are, each by itself."""

import re
from pathlib import Path

import pytest

DOCUMENT = (Path(__file__).parents[2] / "docs" / "crm.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(BLOCKS.index(block)))
def test_an_example_runs(block):
    # The classes of an example are resolved in the module they are in, which is a new one each time.
    exec(compile(block, "docs/crm.md", "exec"), {"__name__": "example"})


def test_there_are_examples():
    assert len(BLOCKS) == 4
