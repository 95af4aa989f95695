"""``$regex``: PCRE's patterns under SERVER, ICU's under IOS_LOCAL, JavaScript's under LIVE_MATCHER; in limited time.

Both run on the ``regex`` package, after ``regex_translate`` has written the pattern in its syntax: measured
against PCRE2 and ICU themselves it agrees on the recorded cases, and it has what no translation can add, a
time limit. The limit costs 2.6 us a search, so it is asked for only where the pattern's quantifiers do not
bound the work.

A pattern that is just a literal (what the SDKs write for has-prefix and contains) needs no engine at all.

Not said here: which values are searched (``matcher``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Final, TypeAlias

from parsekit.errors import InternalServerError, InvalidQueryError, TimeoutExceededError
from parsekit.query.ast import RegexPattern
from parsekit.query.dialect import Dialect
from parsekit.query.javascript import text_of, walk_properties
from parsekit.query.paths import Test, any_value, stored_form, walk_dictionaries
from parsekit.query.regex_classes import BadPatternError
from parsekit.query.regex_translate import Translation, translate
from parsekit.values import MISSING, Missing, Value

__all__ = ["Search", "compile_regex", "literal_prefix", "regex_test"]

Search: TypeAlias = Callable[[str], bool]

_UNTIMED_STEPS: Final = 200_000
"""How many steps a search may take without asking for the time (a few milliseconds)."""

_LITERAL: Final = re.compile(r"(\^?)\\Q((?:(?!\\E).)*)\\E\Z", re.DOTALL)
_INLINE_FLAGS: Final = re.compile(r"(?<!\\)(?:\\\\)*\(\?[a-zA-Z^>]")
_NO_SEARCH_FLAGS: Final = str.maketrans("", "", "dguvy")
"""JavaScript's flags that do not change whether a text is found from its beginning (``y`` aside)."""
_METACHARACTERS: Final = frozenset("\\^$.|?*+()[]{}")


def _engine() -> ModuleType:
    return import_module("regex")  # by the first pattern that needs it


def _never(_: str) -> bool:
    return False


@lru_cache(maxsize=512)
def compile_regex(pattern: RegexPattern, rules: Dialect) -> Search:
    """The search for ``pattern`` in a string. Cached.

    Raises:
        InvalidQueryError: 102 for option letters that the dialect does not know. InternalServerError: 1 for a
        pattern that does not compile, under ``invalid_regex_raises`` (what a database's
            refusal becomes in Parse Server); otherwise it matches nothing.
        TimeoutExceededError: 124, from the search itself, after ``rules.regex_time_limit_s``.
    """
    if rules.regex_flavor == "javascript" and not _is_javascript(pattern, rules):
        return _never
    if not set(pattern.options) <= set(rules.regex_options):
        raise InvalidQueryError(
            f"Invalid regex options {pattern.options}"
            if rules.regex_flavor == "icu"
            else f"Bad $options value for query: {pattern.options}",
            hint=f"$options may hold the letters {', '.join(rules.regex_options)}",
        )
    if not pattern.pattern and not rules.empty_regex_matches:
        return _never
    literal = _literal_search(pattern)
    if literal is not None:
        return literal
    try:
        return _compiled(pattern, rules)
    except BadPatternError as problem:
        if rules.invalid_regex_raises:
            raise InternalServerError(
                "Internal server error.", hint=f"$regex {pattern.pattern!r}: {problem}"
            ) from problem
        return _never


def _is_javascript(pattern: RegexPattern, rules: Dialect) -> bool:
    """Whether JavaScript takes the pattern: no unknown or repeated flags, and none inside of it."""
    flags = pattern.options
    return (
        set(flags) <= set(rules.regex_options)
        and len(set(flags)) == len(flags)
        and _INLINE_FLAGS.search(pattern.pattern) is None
    )


def _literal_search(pattern: RegexPattern) -> Search | None:
    if set(pattern.options) & set("ix"):
        return None
    match = _LITERAL.match(pattern.pattern)
    if match is not None:
        literal = match[2]
    elif _METACHARACTERS.isdisjoint(pattern.pattern):
        literal = pattern.pattern
    else:
        return None
    if match is None or not match[1]:
        return lambda text: literal in text
    if "m" in pattern.options:
        return None
    return lambda text: text.startswith(literal)


def _compiled(pattern: RegexPattern, rules: Dialect) -> Search:
    engine = _engine()
    translation = translate(pattern.pattern, pattern.options.translate(_NO_SEARCH_FLAGS), rules.regex_flavor)
    flags = engine.VERSION0 if rules.regex_flavor != "icu" else engine.VERSION1 | engine.FULLCASE
    if translation.folds:
        flags |= engine.IGNORECASE
    try:
        search = engine.compile(translation.text, flags).search
    except (engine.error, OverflowError) as problem:
        raise BadPatternError(str(problem)) from problem
    limit_s = rules.regex_time_limit_s
    longest = _untimed_length(translation)

    def timed(text: str) -> bool:
        if len(text) <= longest:
            return search(text) is not None
        try:
            return search(text, timeout=limit_s) is not None
        except TimeoutError:
            raise TimeoutExceededError(
                f"$regex {pattern.pattern!r}: the search of one value took more than {limit_s:g} s",
                hint="nested repetitions take exponential time; anchor the pattern or simplify it",
            ) from None

    return timed


def _untimed_length(translation: Translation) -> int:
    """The longest text that is searched without asking for the time."""
    if translation.hostile:
        return -1
    steps = _UNTIMED_STEPS
    power = 1  # a search tries every position
    for factor in translation.factors:
        if factor is None:
            power += 1
        else:
            steps //= factor
    return int(max(steps, 0) ** (1 / power))


def regex_test(pattern: RegexPattern, rules: Dialect, path: tuple[str, ...], key: str) -> Test:
    """``$regex``: some string matches. Other values fail with 102 under ``mismatch_raises``, arrays included.

    Under ``typed_fields_as_stored`` a Pointer is searched as ``Class$id`` and a File by its name.
    """
    if rules.mismatch_raises:
        return _strict_regex_test(pattern, rules, path, key)
    search = compile_regex(pattern, rules)
    if rules.regex_reads_all:
        return lambda value: search(text_of(walk_properties(value, path)))

    def element(value: Value | Missing) -> bool:
        return value.__class__ is str and search(value)

    if not rules.typed_fields_as_stored:
        return any_value(element, path, rules, key)
    return any_value(element, path, rules, key, field=lambda value: element(stored_form(value)))


def _strict_regex_test(pattern: RegexPattern, rules: Dialect, path: tuple[str, ...], key: str) -> Test:
    def test(value: Value | Missing) -> bool:
        found = walk_dictionaries(value, path, key) if path else value
        if isinstance(found, str):
            return compile_regex(pattern, rules)(
                found
            )  # wrong options fail when a string is tested, not before
        if found is None or found is MISSING:
            return False
        raise InvalidQueryError(
            f"$regex: a {type(found).__name__} is no string",
            hint="the local datastore fails the whole query; arrays are not searched either",
        )

    return test


_GROUPED: Final = re.compile(
    r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\\.|[^\[\]\\])*\]|\(\?[A-Za-z^-]*x|[()|\[]", re.DOTALL
)
"""What can hold a bar or a parenthesis that is none: quoted text, an escape, a bracket; and the signs themselves."""


def _may_start_otherwise(rest: str) -> bool:
    """Whether a bar stands outside of every group; also where that is not plain to see."""
    if "|" not in rest:
        return False
    depth = 0
    for sign in _GROUPED.findall(rest):
        depth += (sign == "(") - (sign == ")")
        if depth < 0 or sign == "[" or sign.startswith("(?") or (sign == "|" and not depth):
            return True
    return depth != 0


@lru_cache(maxsize=512)
def literal_prefix(pattern: RegexPattern) -> tuple[str, bool]:
    """The text that every match starts with, and whether the pattern asks for nothing else.

    Only for patterns anchored with ``^`` and without ``i``, ``m`` and ``x``; ``("", False)`` for all others.
    A prefix lets an index be read in the range from the prefix to its successor.
    """
    text = pattern.pattern
    if not text.startswith("^") or set(pattern.options) & set("imx"):
        return "", False
    prefix: list[str] = []
    at, end = 1, len(text)
    while at < end:
        if text.startswith("\\Q", at):
            close = text.find("\\E", at)
            prefix += text[at + 2 : end if close < 0 else close]
            at = end if close < 0 else close + 2
        elif text[at] == "\\" and at + 1 < end and not text[at + 1].isalnum():
            prefix.append(text[at + 1])
            at += 2
        elif text[at] not in _METACHARACTERS:
            prefix.append(text[at])
            at += 1
        else:
            break
    rest = text[at:]
    if _may_start_otherwise(rest):
        return "", False
    if rest[:1] in ("?", "*", "{"):
        return "".join(prefix[:-1]), False
    return "".join(prefix), rest in ("", ".*")
