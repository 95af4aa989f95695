"""The English stemmer of ``$text``: Porter2 (snowball), which MongoDB's text indexes use.

``stem("renewing")`` and ``stem("renewed")`` are both ``renew``. The algorithm is M. Porter's published one:
two regions of the word after its first vowels (R1, R2) limit which endings may go.

Own implementation rather than a dependency: 150 lines, one language, and checked against the reference
vocabulary behavior in tests.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["stem"]

_VOWEL: Final = "[aeiouy]"
_DOUBLES: Final = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_R1: Final = re.compile(f"{_VOWEL}[^aeiouy]")
_R1_PREFIXES: Final = ("gener", "commun", "arsen")
_LI_ENDINGS: Final = frozenset("cdeghkmnrt")

_EXCEPTIONS: Final = {
    "skis": "ski", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "idly": "idl",
    "gently": "gentl", "ugly": "ugli", "early": "earli", "only": "onli", "singly": "singl", "sky": "sky",
    "news": "news", "howe": "howe", "atlas": "atlas", "cosmos": "cosmos", "bias": "bias", "andes": "andes",
}  # fmt: skip
_UNCHANGED_AFTER_1A: Final = frozenset(
    {"inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"}
)
_STEP_2: Final = (
    ("ational", "ate"), ("ization", "ize"), ("fulness", "ful"), ("ousness", "ous"), ("iveness", "ive"),
    ("tional", "tion"), ("biliti", "ble"), ("lessli", "less"), ("entli", "ent"), ("ation", "ate"),
    ("alism", "al"), ("aliti", "al"), ("ousli", "ous"), ("iviti", "ive"), ("fulli", "ful"),
    ("enci", "ence"), ("anci", "ance"), ("abli", "able"), ("izer", "ize"), ("ator", "ate"), ("alli", "al"),
    ("bli", "ble"), ("ogi", "og"), ("li", ""),
)  # fmt: skip
_STEP_3: Final = (
    ("ational", "ate"), ("tional", "tion"), ("alize", "al"), ("icate", "ic"), ("iciti", "ic"),
    ("ative", ""), ("ical", "ic"), ("ness", ""), ("ful", ""),
)  # fmt: skip
_STEP_4: Final = (
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous", "ive", "ize",
    "ion", "al", "er", "ic",
)  # fmt: skip


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of an English word in lower case."""
    if len(word) <= 2:
        return word
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    word = word.removeprefix("'")
    word = re.sub(rf"(^|{_VOWEL})y", r"\1Y", word)
    r1, r2 = _regions(word)
    word = _step_1a(_step_0(word))
    if word in _UNCHANGED_AFTER_1A:
        return word
    word = _step_1c(_step_1b(word, r1))
    word = _step_3(_step_2(word, r1), r1, r2)
    return _step_5(_step_4(word, r2), r1, r2).replace("Y", "y")


def _regions(word: str) -> tuple[int, int]:
    prefix = next((p for p in _R1_PREFIXES if word.startswith(p)), None)
    r1 = len(prefix) if prefix else _after(word, 0)
    return r1, _after(word, r1)


def _after(word: str, start: int) -> int:
    match = _R1.search(word, start)
    return match.end() if match else len(word)


def _has_vowel(text: str) -> bool:
    return re.search(_VOWEL, text) is not None


def _ends_short(word: str) -> bool:
    return re.search(r"(?:[^aeiouy][aeiouy][^aeiouywxY]|^[aeiouy][^aeiouy])$", word) is not None


def _step_0(word: str) -> str:
    for suffix in ("'s'", "'s", "'"):
        if word.endswith(suffix):
            return word.removesuffix(suffix)
    return word


def _step_1a(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("us", "ss")) or not word.endswith("s"):
        return word
    return word[:-1] if _has_vowel(word[:-2]) else word


def _step_1b(word: str, r1: int) -> str:
    for suffix in ("eedly", "eed"):
        if word.endswith(suffix):
            return word.removesuffix(suffix) + "ee" if len(word) - len(suffix) >= r1 else word
    for suffix in ("ingly", "edly", "ing", "ed"):
        if word.endswith(suffix):
            rest = word.removesuffix(suffix)
            return _mended(rest, r1) if _has_vowel(rest) else word
    return word


def _mended(word: str, r1: int) -> str:
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if word.endswith(_DOUBLES):
        return word[:-1]
    return word + "e" if r1 >= len(word) and _ends_short(word) else word


def _step_1c(word: str) -> str:
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in "aeiouy":
        return word[:-1] + "i"
    return word


def _step_2(word: str, r1: int) -> str:
    for suffix, replacement in _STEP_2:
        if word.endswith(suffix):
            rest = word.removesuffix(suffix)
            if len(rest) < r1:
                return word
            if suffix == "ogi" and not rest.endswith("l"):
                return word
            if suffix == "li" and rest[-1:] not in _LI_ENDINGS:
                return word
            return rest + replacement
    return word


def _step_3(word: str, r1: int, r2: int) -> str:
    for suffix, replacement in _STEP_3:
        if word.endswith(suffix):
            rest = word.removesuffix(suffix)
            limit = r2 if suffix == "ative" else r1
            return rest + replacement if len(rest) >= limit else word
    return word


def _step_4(word: str, r2: int) -> str:
    for suffix in _STEP_4:
        if word.endswith(suffix):
            rest = word.removesuffix(suffix)
            removable = len(rest) >= r2 and (suffix != "ion" or rest.endswith(("s", "t")))
            return rest if removable else word
    return word


def _step_5(word: str, r1: int, r2: int) -> str:
    rest = word[:-1]
    if word.endswith("e"):
        if len(rest) >= r2 or (len(rest) >= r1 and not _ends_short(rest)):
            return rest
    elif word.endswith("ll") and len(rest) >= r2:
        return rest
    return word
