"""Dates as text: written with three decimals and ``Z``, read as JavaScript's ``Date`` reads them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from parsekit.errors import InvalidJsonError
from parsekit.values import date_to_ms, to_utc

__all__ = ["format_date", "format_ms", "parse_date"]

_DATE: Final = r"""\s*(?P<year>[+-]\d{6}|\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?
    (?:[Tt\ ]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d+))?)?)?
    \s*(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?\s*"""
_FAST_LENGTH: Final = 24
_DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000
_EPOCH: Final = date(1970, 1, 1)


def format_date(value: datetime) -> str:
    """``value`` in UTC with three decimals: ``2024-01-31T12:00:00.000Z``.

    Raises:
        ValueError: it has no time zone.
    """
    return format_ms(date_to_ms(value if value.tzinfo is UTC else to_utc(value)))


def format_ms(ms: int) -> str:
    """``format_date`` of an instant in milliseconds since 1970, which costs a fifth."""
    minutes, seconds, milliseconds = _clock_texts()
    day, rest = divmod(ms, _DAY_MS)
    minute, rest = divmod(rest, _MINUTE_MS)
    return f"{_day_text(day)}{minutes[minute]}{seconds[rest // 1000]}{milliseconds[rest % 1000]}"


@lru_cache(maxsize=1)
def _clock_texts() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The texts of every minute of a day, second of a minute and millisecond of a second: looking them up costs a
    quarter of writing them. Made with the first date, not with the import."""
    minutes = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
    return minutes, tuple(f"{second:02d}." for second in range(60)), tuple(f"{ms:03d}Z" for ms in range(1000))


@lru_cache(maxsize=4096)
def _day_text(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


@lru_cache(maxsize=1440)
def _minute_text(minute: int) -> str:
    return f"T{minute // 60:02d}:{minute % 60:02d}:"


def parse_date(text: str) -> datetime:
    """The UTC instant of an ISO 8601 text, cut to milliseconds.

    Accepts what JavaScript's ``Date`` makes of ISO texts: date only, minutes or seconds, any number of
    decimals, ``Z``, an offset, or neither (then UTC), 24:00, and a day beyond the end of its month (February
    30th is March 1st or 2nd).

    Raises:
        InvalidJsonError: 107, the text is no date, or its year is outside 1 to 9999.
    """
    if (
        len(text) == _FAST_LENGTH
        and text[23] == "Z"
        and text[19] == "."
        and text[10] == "T"
        and text[7] == "-"
    ):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # such as the hour 24 or February 30th, which the full grammar below reads
    match = re.fullmatch(_DATE, text, re.VERBOSE | re.ASCII)
    moment = None if match is None else _date_of(match)
    if moment is None:
        raise InvalidJsonError("date: not an ISO 8601 date such as 2024-01-31T12:00:00.000Z")
    return moment


def _date_of(match: re.Match[str]) -> datetime | None:
    part = {
        name: int(text) for name, text in match.groupdict("0").items() if name not in ("fraction", "zone")
    }
    month, day = (1 if match[name] is None else part[name] for name in ("month", "day"))
    hour, minute, second = part["hour"], part["minute"], part["second"]
    milliseconds = int((match["fraction"] or "0")[:3].ljust(3, "0"))
    if not (1 <= month <= 12 and 1 <= day <= 31 and minute <= 59 and second <= 59 and hour <= 24):
        return None
    if hour == 24 and (minute or second or milliseconds):
        return None
    try:
        first = datetime(part["year"], month, 1, tzinfo=UTC)
        moment = first + timedelta(
            days=day - 1, hours=hour, minutes=minute, seconds=second, milliseconds=milliseconds
        )
        return moment - _offset(match["zone"])
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta()
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return -size if zone[0] == "-" else size
