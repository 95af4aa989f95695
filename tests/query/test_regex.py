"""Patterns: what PCRE and ICU differ on (measured against both), the time limit, literal prefixes."""

from __future__ import annotations

import time
from contextlib import suppress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit.errors import InternalServerError, InvalidQueryError, TimeoutExceededError
from parsekit.query.ast import RegexPattern
from parsekit.query.dialect import Dialect
from parsekit.query.regex import compile_regex, literal_prefix
from tests.strategies import texts

PCRE, ICU = Dialect.SERVER, Dialect.IOS_LOCAL


def found(pattern: str, text: str, options: str = "", rules: Dialect = PCRE) -> bool:
    return compile_regex(RegexPattern(pattern, options), rules)(text)


@pytest.mark.parametrize(
    ("pattern", "options", "text", "expected"),
    [
        (r"\w", "", "é", False),
        (r"\d", "", "٣", False),
        (r"[[:alpha:]]", "", "é", False),
        (r"\p{L}", "", "é", True),
        (r"É", "i", "é", True),
        (r"ß", "i", "SS", False),
        (r"i", "i", "ı", False),
        (r"[h-j]", "i", "İ", False),
        (r"[\w-]", "i", "ſ", False),
        (r"a.b", "", "a\nb", False),
        (r"a.b", "", "a\rb", True),
        (r"a.b", "s", "a\nb", True),
        (r"a$", "", "a\n", True),
        (r"a$", "", "a\r\n", False),
        (r"^b", "m", "a\nb", True),
        (r"^$", "m", "a\n", False),
        (r"a\z", "", "a\n", False),
        (r"a\Z", "", "a\n", True),
        (r"a b # c", "x", "ab", True),
        (r"\Qa.b\E+$", "", "a.bbb", True),
        (r"\Qa\E\\E\Qb\E", "", r"a\Eb", True),
        (r"[\Q]\E]", "", "]", True),
        (r"(?P<n>a)\k<n>", "", "aa", True),
        (r"(?'n'a)\1", "", "aa", True),
        (r"(?i)A|b", "", "B", True),
        (r"((?i)a)b", "", "AB", False),
        (r"a{,2}", "", "a{,2}", True),
        (r"a{x", "", "a{x", True),
        (r"(a|b)*+c", "", "abac", True),
        (r"\x{1F600}", "", "😀", True),
        (r"\101", "", "A", True),
        ("", "", "", True),
    ],
)
def test_pcre(pattern: str, options: str, text: str, expected: bool) -> None:
    assert found(pattern, text, options) is expected


@pytest.mark.parametrize(
    "pattern",
    ["[", "(", ")", "*a", "a**", "a{2,1}", r"\i", "(?P<n>a)(?P<n>b)", "[z-a]", r"[a-\d]", "[[:foo:]]", "\\",
     r"\b*", r"\1", "(?<=a*)b", r"\p{Nonesuch}", "(?z)a"],
)  # fmt: skip
def test_pcre_refuses(pattern: str) -> None:
    with pytest.raises(InternalServerError):
        compile_regex(RegexPattern(pattern), PCRE)


@pytest.mark.parametrize(
    ("pattern", "options", "text", "expected"),
    [
        (r"\w", "", "é", True),
        (r"[[:alpha:]]", "", "é", True),
        (r"ß", "i", "straße", True),
        (r"ß", "i", "STRASSE", True),
        (r"ss", "i", "ß", True),
        (r"fi", "i", "ﬁ", True),
        (r"i", "i", "ı", False),
        (r"\p{Lu}", "i", "a", True),
        (r"a.b", "", "a\u2028b", False),
        (r"foo.bar", "s", "foo\r\nbar", True),
        (r"foo.{2}bar", "s", "foo\r\nbar", False),
        (r"a$", "", "a\r\n", True),
        (r"a$", "", "a\n\n", False),
        (r"^b", "m", "a\u2028b", True),
        (r"o\Rb", "", "o\r\nb", True),
        (r"(?<n>a)\k<n>", "", "aa", True),
        (r"(?P<n>a)", "", "a", False),
        (r"\i", "", "i", True),
        (r"[a-z&&[^b]]", "", "b", False),
        (r"[a-z--[b]]", "", "a", True),
        (r"a{x", "", "a{x", False),
        (r"\b", "", "\u0301", False),
        ("", "", "a", False),
        ("^\\Q\\E", "", "", True),
    ],
)
def test_icu(pattern: str, options: str, text: str, expected: bool) -> None:
    assert found(pattern, text, options, ICU) is expected


def test_unknown_options_are_refused() -> None:
    with pytest.raises(InvalidQueryError, match=r"Bad \$options"):
        compile_regex(RegexPattern("a", "z"), PCRE)
    with pytest.raises(InvalidQueryError, match="Invalid regex options u"):
        compile_regex(RegexPattern("a", "u"), ICU)


@pytest.mark.parametrize(
    "pattern", ["(a|aa)+$", "(a|a?)+x$", "(.*)*x(.*)*y$", r"(a*)*\1b", "(?:a?){50}a{50}b"]
)
@pytest.mark.parametrize("rules", [PCRE, ICU], ids=lambda rules: rules.name)
def test_hostile_patterns_end(pattern: str, rules: Dialect) -> None:
    quick = attrs.evolve(rules, regex_time_limit_s=0.1)
    start = time.perf_counter()
    try:
        assert not compile_regex(RegexPattern(pattern), quick)("a" * 60 + "!")
    except TimeoutExceededError as error:
        assert "a" * 60 not in str(error)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("pattern", [".*x", ".*.*x", "a.*b.*c.*d", "[a-z]+@[a-z]+", "a{1,50}b{1,50}c"])
def test_long_texts_end(pattern: str) -> None:
    quick = attrs.evolve(PCRE, regex_time_limit_s=0.1)
    start = time.perf_counter()
    with suppress(TimeoutExceededError):
        compile_regex(RegexPattern(pattern), quick)("abc" * 50_000)
    assert time.perf_counter() - start < 2


@given(texts, texts)
def test_quoted_text_is_contained(needle: str, text: str) -> None:
    quoted = needle.replace("\\E", "\\E\\\\E\\Q")
    assert found(f"\\Q{quoted}\\E", text) == (needle in text)
    assert found(f"^\\Q{quoted}\\E", text) == text.startswith(needle)
    assert found(f"\\Q{quoted}\\E$", text) == (text.endswith(needle) or text.endswith(needle + "\n"))
    assert found(f"(?:\\Q{quoted}\\E)", text) == (needle in text)


@pytest.mark.parametrize(
    ("pattern", "options", "expected"),
    [
        ("^abc", "", ("abc", True)),
        ("^abc.*", "", ("abc", True)),
        (r"^\Qa.b\E", "", ("a.b", True)),
        (r"^\Qab\Ecd", "", ("abcd", True)),
        (r"^a\.b", "", ("a.b", True)),
        ("^abc$", "", ("abc", False)),
        ("^abc?", "", ("ab", False)),
        (r"^\Qab\E*", "", ("a", False)),
        ("^ab+", "", ("ab", False)),
        ("^a(b)", "", ("a", False)),
        ("^a|b", "", ("", False)),
        (r"^ab (c|d) \d*1$", "", ("ab ", False)),
        (r"^ab(?:c|d(e|f))\|", "", ("ab", False)),
        ("^ab[c|d]", "", ("ab", False)),
        (r"^ab\d\Q(|\E|c", "", ("", False)),
        ("^ab(c|d)|e", "", ("", False)),
        ("^ab[[:alpha:](]|c", "", ("", False)),
        ("^ab[(]|c", "", ("", False)),
        ("^ab(?x)# (\n|c# )", "", ("", False)),
        (r"^\d", "", ("", False)),
        ("abc", "", ("", False)),
        ("^abc", "i", ("", False)),
        ("^abc", "m", ("", False)),
        ("^a b", "x", ("", False)),
        ("^abc", "s", ("abc", True)),
        ("^", "", ("", True)),
    ],
)
def test_literal_prefix(pattern: str, options: str, expected: tuple[str, bool]) -> None:
    assert literal_prefix(RegexPattern(pattern, options)) == expected


@given(st.text("ab.*+?|$()[]\\{}^E1", max_size=6).map("^".__add__), st.text("ab.1", max_size=6))
def test_every_match_has_the_literal_prefix(pattern: str, text: str) -> None:
    prefix, whole = literal_prefix(RegexPattern(pattern))
    try:
        matched = found(pattern, text)
    except InternalServerError:
        return
    assert text.startswith(prefix) or not matched
    assert not whole or matched == text.startswith(prefix)
