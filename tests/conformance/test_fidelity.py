"""The fidelity page says what the tests say."""

from __future__ import annotations

from tests.conformance.fidelity import PAGE, README, page, readme


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.conformance.fidelity"


def test_the_table_in_the_readme_is_current() -> None:
    assert README.read_text(encoding="utf-8") == readme(), "run: python -m tests.conformance.fidelity"
