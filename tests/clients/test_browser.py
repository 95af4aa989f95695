"""A headless Chromium on the server's own page, and Parse's dashboard from npm on its classes.

``SCREENSHOTS=docs/images`` keeps what the pages look like.
"""

from __future__ import annotations

import shutil

import pytest

from tests.clients import node
from tests.clients.conftest import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(crm_environment: dict[str, str]) -> dict[str, str]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "these tests need a Chromium. On Debian: apt-get install chromium"
    return {**crm_environment, "CHROMIUM": found, "DASHBOARD_PORT": str(free_port())}


@pytest.mark.parametrize("page", ["playground", "dashboard"])
def test_in_a_browser(page: str, environment: dict[str, str]) -> None:
    node.run(f"browser/{page}.test.cjs", environment, timeout_s=240)
