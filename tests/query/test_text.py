"""``$text`` as MongoDB documents it, and the stemmer on the published examples of Porter2."""

from __future__ import annotations

import pytest

from parsekit.errors import NotOfferedError
from parsekit.query.ast import TextSearch
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import compile_test
from parsekit.query.stemmer import stem
from parsekit.query.text import text_score


def matches(term: str, value: object, **options: object) -> bool:
    search = TextSearch(term, **options)  # type: ignore[arg-type]
    return compile_test("$text", search, Dialect.SERVER)(value)


@pytest.mark.parametrize(
    ("term", "text", "expected"),
    [
        ("fox", "the quick brown foxes", True),
        ("FOX", "fox", True),
        ("cat fox", "a fox", True),
        ("the", "the fox", False),
        ('"brown fox"', "quick brown fox", True),
        ('"brown fox"', "fox brown", False),
        ('"brown fox" cat', "a cat and a fox, brown", False),
        ("fox -brown", "brown fox", False),
        ("fox -brown", "red fox", True),
        ('fox -"brown fox"', "brown fox", False),
        ('fox -"brown fox"', "fox brown", True),
        ("-brown", "red fox", False),
        ("well-known", "a known thing", True),
        ("cafe", "Café", True),
        ("renew", "Customers renewed their contracts", True),
        ("fox", ["cat", "fox"], True),
        ("fox", 5, False),
        ("fox", None, False),
    ],
)
def test_search(term: str, text: object, expected: bool) -> None:
    assert matches(term, text) is expected


def test_options() -> None:
    assert not matches("Fox", "fox", case_sensitive=True)
    assert matches("Fox", "a Fox", case_sensitive=True)
    assert not matches("cafe", "café", diacritic_sensitive=True)
    assert not matches("fox", "foxes", language="none")
    assert matches("the", "the fox", language="none")
    with pytest.raises(NotOfferedError, match="german"):
        matches("haus", "haus", language="german")


def test_score_grows_with_repetition_and_density() -> None:
    search = TextSearch("fox")
    assert text_score(search, "fox cat dog") < text_score(search, "fox fox cat dog")
    assert text_score(search, "fox cat dog") < text_score(search, "fox")
    assert text_score(search, "cat") == 0


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("consign", "consign"), ("consistency", "consist"), ("consolation", "consol"),
        ("consoling", "consol"), ("knightly", "knight"), ("knocks", "knock"), ("generously", "generous"),
        ("skies", "sky"), ("news", "news"), ("hopping", "hop"), ("hoping", "hope"), ("agreed", "agre"),
        ("flies", "fli"), ("dying", "die"), ("ties", "tie"), ("relational", "relat"),
        ("sensibility", "sensibl"), ("proceed", "proceed"), ("by", "by"), ("boy", "boy"),
        ("happily", "happili"), ("vietnamization", "vietnam"), ("customer's", "custom"),
    ],
)  # fmt: skip
def test_stemmer(word: str, expected: str) -> None:
    assert stem(word) == expected
