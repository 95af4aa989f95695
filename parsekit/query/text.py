"""``$text``: full-text search as MongoDB documents it.

Words are or-ed, quoted phrases and-ed, a word or phrase after ``-`` excludes. Words match by their stems,
without regard to case and diacritics unless asked to; stop words are not searched for. A phrase is looked for
as it stands. ``text_score`` weighs how often and how densely the words occur, for the order ``$score``.

MongoDB searches everything that a class's text index holds; parsekit searches the value under the
constraint's key, a string or an array of strings.

Languages: ``english`` (the default) and ``none``, which has neither stems nor stop words.

Not said here: the stemmer (``stemmer``), text indexes (``storage``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, final

from parsekit import attrs
from parsekit.errors import NotOfferedError
from parsekit.query.ast import TextSearch
from parsekit.query.paths import Test, fan_out
from parsekit.query.stemmer import stem
from parsekit.values import Missing, Value

__all__ = ["index_words", "search_words", "text_score", "text_test"]

_ENGLISH: Final = frozenset({None, "english", "en"})
_STOP_WORD_LIST: Final = """
    a about above after again against all am an and any are aren't as at be because been before being
    below between both but by can't cannot could couldn't did didn't do does doesn't doing don't down
    during each few for from further had hadn't has hasn't have haven't having he he'd he'll he's her here
    here's hers herself him himself his how how's i i'd i'll i'm i've if in into is isn't it it's its
    itself let's me more most mustn't my myself no nor not of off on once only or other ought our ours
    ourselves out over own same shan't she she'd she'll she's should shouldn't so some such than that
    that's the their theirs them themselves then there there's these they they'd they'll they're they've
    this those through to too under until up very was wasn't we we'd we'll we're we've were weren't what
    what's when when's where where's which while who who's whom why why's with won't would wouldn't you
    you'd you'll you're you've your yours yourself yourselves
"""
_STOP_WORDS: Final = frozenset(_STOP_WORD_LIST.split())
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?|_+")
_QUERY_PART: Final = re.compile(
    r'(?:(?<=\s)|^)(-?)"([^"]*)"?|"([^"]*)"?|(?:(?<=\s)|^)-(\S*)|(\S+?)(?=[\s"]|$)'
)


@final
@attrs.frozen(slots=True)
class _Search:
    """A parsed term: stems to find, stems and phrases that exclude, phrases that must occur."""

    words: frozenset[str]
    phrases: tuple[str, ...]
    excluded_words: frozenset[str]
    excluded_phrases: tuple[str, ...]
    stems: bool
    folds_case: bool
    folds_marks: bool

    def tokens(self, text: str) -> list[str]:
        """The stems of a text in order, stop words left out."""
        found: list[str] = []
        for word in _WORD.findall(_without_marks(text) if self.folds_marks else text):
            lower = word.lower()
            if self.stems and lower in _STOP_WORDS:
                continue
            folded = lower if self.folds_case else word
            found.append(stem(folded) if self.stems else folded)
        return found

    def folded(self, text: str) -> str:
        """The text as phrases are looked for in it."""
        text = _without_marks(text) if self.folds_marks else text
        return text.lower() if self.folds_case else text


def _without_marks(text: str) -> str:
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize(
        "NFC", "".join(char for char in decomposed if not unicodedata.combining(char))
    )


@lru_cache(maxsize=256)
def _parsed(search: TextSearch) -> _Search:
    language = None if search.language is None else search.language.lower()
    if language not in _ENGLISH and language != "none":
        raise NotOfferedError(
            f"$text: $language {search.language!r} is not offered; use english, or none (words as they stand)"
        )
    empty = _Search(
        frozenset(),
        (),
        frozenset(),
        (),
        language != "none",
        not search.case_sensitive,
        not search.diacritic_sensitive,
    )
    words: list[str] = []
    excluded: list[str] = []
    phrases: list[str] = []
    excluded_phrases: list[str] = []
    for minus, phrase, inner, negated, word in _QUERY_PART.findall(search.term):
        quoted = phrase or inner
        if quoted:
            (excluded_phrases if minus else phrases).append(empty.folded(quoted))
            if not minus:
                words += empty.tokens(quoted)
        excluded += empty.tokens(negated)
        words += empty.tokens(word)
    return attrs.evolve(
        empty,
        words=frozenset(words),
        phrases=tuple(phrases),
        excluded_words=frozenset(excluded),
        excluded_phrases=tuple(excluded_phrases),
    )


def index_words(text: str) -> list[str]:
    """The words that an index holds for a text: English stems without case and marks."""
    return _parsed(TextSearch("")).tokens(text)


def search_words(search: TextSearch) -> frozenset[str] | None:
    """The words of which a match has at least one, as ``index_words`` gives them; ``None`` where such an index cannot
    tell, because the search asks for case, marks or words without stems."""
    parsed = _parsed(search)
    return parsed.words if parsed.stems and parsed.folds_case and parsed.folds_marks else None


def _texts(value: Value | Missing, path: Sequence[str]) -> list[str]:
    found = fan_out(value, path) if path or isinstance(value, list) else [value]
    return [text for text in found if isinstance(text, str)]


def text_test(search: TextSearch, path: Sequence[str]) -> Test:
    """``$text``: some word, every phrase, nothing excluded.

    Raises ``NotOfferedError`` for languages other than English and none.
    """
    parsed = _parsed(search)

    def test(value: Value | Missing) -> bool:
        texts = _texts(value, path)
        tokens = {token for text in texts for token in parsed.tokens(text)}
        if parsed.words.isdisjoint(tokens) or not parsed.excluded_words.isdisjoint(tokens):
            return False
        folded = [parsed.folded(text) for text in texts]
        return all(any(phrase in text for text in folded) for phrase in parsed.phrases) and not any(
            phrase in text for phrase in parsed.excluded_phrases for text in folded
        )

    return test


def text_score(search: TextSearch, value: Value | Missing, path: Sequence[str] = ()) -> float:
    """How well a text matches: MongoDB's ``textScore``.

    Each repetition of a stem counts half of the one before; the sum is weighed by the stem's share of the
    text's words and, by a tenth, by a text that is nothing but the word.
    """
    parsed = _parsed(search)
    score = 0.0
    for text in _texts(value, path):
        tokens = parsed.tokens(text)
        for word in parsed.words:
            count = tokens.count(word)
            if not count:
                continue
            frequency = 2.0 - 0.5 ** (count - 1)
            adjustment = 1.1 if parsed.folded(text.strip()) == word else 1.0
            score += frequency * (0.5 * count / len(tokens) + 0.5) * adjustment
    return score
