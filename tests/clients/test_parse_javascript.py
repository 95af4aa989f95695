"""The ``parse`` package from npm, unchanged, against the server: what an app does with it."""

from __future__ import annotations

import pytest

from tests.clients import node

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("area", ["query", "objects", "live"])
def test_the_javascript_sdk(area: str, client_environment: dict[str, str]) -> None:
    node.run(f"javascript/{area}.test.cjs", client_environment)
