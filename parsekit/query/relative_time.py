"""``$relativeTime``: instants given as text, such as ``3 days ago`` or ``in 1 hour 30 minutes``.

The text is checked when a query is decoded and resolved when it runs (``resolve``). Whole numbers only; a
year is 365 days. Grammar and wording of the complaints are Parse Server's (Utils.relativeTimeToDate).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from parsekit.errors import InvalidJsonError
from parsekit.query.ast import RelativeTime
from parsekit.query.keys import js_number

__all__ = ["check_relative_time", "resolve", "resolve_relative_time"]

_NAMES: Final[dict[int, tuple[str, ...]]] = {
    365 * 86400: ("yr", "yrs", "year", "years"),
    7 * 86400: ("wk", "wks", "week", "weeks"),
    86400: ("d", "day", "days"),
    3600: ("hr", "hrs", "hour", "hours"),
    60: ("min", "mins", "minute", "minutes"),
    1: ("sec", "secs", "second", "seconds"),
}
_SECONDS: Final = {name: seconds for seconds, names in _NAMES.items() for name in names}
_LONGEST_S: Final = 3_000_000_000_000
"""More seconds than any two dates are apart; keeps ``timedelta`` from overflowing."""


def resolve(text: str, now: datetime) -> datetime:
    """The instant that ``text`` means at ``now``, within what ``datetime`` can express.

    Raises:
        ValueError: the text is no relative time; the message says why in Parse's words.
    """
    seconds = _seconds(text.lower())
    try:
        return now + timedelta(seconds=max(-_LONGEST_S, min(_LONGEST_S, seconds)))
    except OverflowError:
        year, month, day = (9999, 12, 31) if seconds > 0 else (1, 1, 1)
        return datetime(year, month, day, tzinfo=now.tzinfo)


def resolve_relative_time(value: RelativeTime, now: datetime | None = None) -> datetime:
    """The instant that the argument of a constraint means at ``now``, by default the present.

    Raises:
        ValueError: as ``resolve``.
    """
    return resolve(value.text, datetime.now(UTC) if now is None else now)


def check_relative_time(op: str, text: object) -> str:
    """``text`` if it is a relative time.

    Raises:
        InvalidJsonError: 107 ``bad $relativeTime ($gt) value. ...``.
    """
    try:
        if not isinstance(text, str):
            raise ValueError("It should be a string.")
        _seconds(text.lower())
    except ValueError as error:
        raise InvalidJsonError(f"bad $relativeTime ({op}) value. {error}") from None
    return text


def _seconds(text: str) -> int:
    if text == "now":
        return 0
    parts = [part for part in text.split(" ") if part]
    future, past = parts[:1] == ["in"], parts[-1:] == ["ago"]
    if not future and not past:
        raise ValueError("Time should either start with 'in' or end with 'ago'")
    if future and past:
        raise ValueError("Time cannot have both 'in' and 'ago'")
    parts = parts[1:] if future else parts[:-1]
    if len(parts) % 2:
        raise ValueError("Invalid time string. Dangling unit or number.")
    total = sum(_span(parts[i], parts[i + 1]) for i in range(0, len(parts), 2))
    return total if future else -total


def _span(count: str, unit: str) -> int:
    number = js_number(count)
    if not number.is_integer():
        raise ValueError(f"'{count}' is not an integer.")
    if unit not in _SECONDS:
        raise ValueError(f"Invalid interval: '{unit}'")
    return int(number) * _SECONDS[unit]
