"""The pytest plugin: the fixture ``parsekit_engine``.

pytest finds it by itself once parsekit is installed (entry point ``pytest11``). It imports nothing of
parsekit before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from parsekit.engine import ParseEngine

__all__ = ["parsekit_engine"]


@pytest.fixture
def parsekit_engine() -> Iterator[ParseEngine]:
    """An empty in-memory engine, entered as the anonymous principal; gone after the test."""
    import parsekit

    with parsekit.open(":memory:") as engine:
        yield engine
