"""The meaning of single cells: text, days, numbers and names that another row must carry.

`Cells` hands out the cells of one row as values and keeps, instead of raising at the first, every fault it
meets: whoever repairs a file should see all that is wrong with a row at once. A method that met a fault
returns an empty value, so a row may be built from the values only when `faults` is empty.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from crm_schema.sample.rows import Refusal, Repair
from crm_schema.sample.tables import Row, did_you_mean, shown

_DAY: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
# Fifteen digits are the most that a double, and so a JSON number everywhere, holds exactly.
_WHOLE: Final = re.compile(r"[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,10})?")

V = TypeVar("V")


@attrs.frozen
class Fault:
    """One thing wrong with a row, what was expected there, and how to fix it."""

    wrong: str
    expected: str
    fix: str


def refusal_of(file: str, line: int, faults: Sequence[Fault]) -> Refusal:
    """The faults of a row as one refusal: each wrong and what was expected, then all that fixes it."""
    wrong = "; ".join(f"{fault.wrong}; expected {fault.expected}" for fault in faults)
    fixes = "; ".join(dict.fromkeys(fault.fix for fault in faults))
    return Refusal(file, line, f"{wrong}. Fix: {fixes}.")


@attrs.define
class Names:
    """The names that the rows of one file carry, so that rows can be referred to by them.

    Names of refused rows are kept too: a reference to one of them has a cause that can be named.
    """

    file: str
    column: str
    spellings: Mapping[str, str] = attrs.field(factory=dict)
    """Known wrong spellings in other files, and the right ones."""

    accepted: dict[str, int] = attrs.field(factory=dict)
    refused: dict[str, int] = attrs.field(factory=dict)
    _suggestions: dict[str, str] = attrs.field(factory=dict, init=False)

    def refuse(self, name: str, line: int) -> None:
        """Keep the name of a refused row, unless it is the name of a row above as well."""
        if name and name not in self.accepted:
            self.refused.setdefault(name, line)

    def withdraw(self, name: str) -> None:
        """Turn the name of an accepted row into that of a refused one."""
        self.refused[name] = self.accepted.pop(name)

    def unknown(self, column: str, name: str) -> Fault:
        """The fault of a cell that refers to a name no accepted row carries."""
        if name in self.refused:
            line = self.refused[name]
            return Fault(
                f"{column} {shown(name)} is on line {line} of {self.file}, which was refused",
                f"a row there with that {self.column}",
                f"fix line {line} of {self.file} first",
            )
        # Looking for close names is slow, and one wrong name can stand on thousands of rows.
        if name not in self._suggestions:
            self._suggestions[name] = did_you_mean(name, self.accepted)
        return Fault(
            f"{column} {shown(name)} is not in {self.file}{self._suggestions[name]}",
            f"one of its {self.column} names",
            f"correct the name, or add the row to {self.file}",
        )


@attrs.define
class Cells:
    """The cells of one row as values, with the faults and repairs met on the way."""

    file: str
    row: Row
    faults: list[Fault] = attrs.field(factory=list)
    repairs: list[Repair] = attrs.field(factory=list)

    @property
    def line(self) -> int:
        """The line of the row."""
        return self.row.line

    def refusal(self) -> Refusal:
        """The faults met so far as the refusal of the row."""
        return refusal_of(self.file, self.line, self.faults)

    def repaired(self, column: str, found: str, used: str, reason: str) -> str:
        """Record that a cell was read as another value; returns that value."""
        self.repairs.append(Repair(self.file, self.line, column, found, used, reason))
        return used

    def text(self, column: str) -> str | None:
        """The cell without space around it, or nothing where it is empty."""
        found = self.row.cells[column]
        used = found.strip()
        if used != found:
            self.repaired(column, found, used, "space around a value is no part of it")
        return used or None

    def required(self, column: str) -> str:
        """The cell, which may not be empty."""
        found = self.text(column)
        if found is None:
            self.faults.append(_empty(column))
            return ""
        return found

    def unique(self, column: str, names: Names) -> str:
        """The cell that names the row, which no row above it may carry."""
        name = self.required(column)
        above = names.accepted.get(name) or names.refused.get(name)
        if above is not None:
            self.faults.append(
                Fault(
                    f"{column} {shown(name)} is a duplicate of line {above}",
                    f"every {column} once",
                    f"delete one of the two rows, or give it its own {column}",
                )
            )
        return name

    def spelled(self, column: str, spellings: Mapping[str, str]) -> str | None:
        """The cell, with the spellings known to be wrong put right."""
        found = self.text(column)
        if found is None or found not in spellings:
            return found
        return self.repaired(column, found, spellings[found], "known misspelling of the published file")

    def reference(self, column: str, names: Names) -> str | None:
        """The cell that names a row of another file, by the name which that row has."""
        found = self.text(column)
        if found is None or found in names.accepted:
            return found
        name = names.spellings.get(found, found)
        if name not in names.accepted:
            self.faults.append(names.unknown(column, name))
        elif name != found:
            self.repaired(column, found, name, f"{names.file} writes it so")
        return name

    def required_reference(self, column: str, names: Names) -> str:
        """The cell that names a row of another file and may not be empty."""
        name = self.reference(column, names)
        if name is None:
            self.faults.append(_empty(column))
            return ""
        return name

    def choice(self, column: str, choices: Mapping[str, V], otherwise: V) -> V:
        """What the cell, which may not be empty, stands for; `otherwise` is returned with a fault."""
        found = self.required(column)
        if found and found not in choices:
            self.faults.append(
                Fault(
                    f"{column} {shown(found)} is unknown{did_you_mean(found, choices)}",
                    _alternatives(choices),
                    f"correct {column}",
                )
            )
        return choices.get(found, otherwise)

    def day(self, column: str) -> datetime.date | None:
        """The cell as a day, written the US way, month first."""
        return self._parsed(column, _day, "a day as month/day/year, such as 3/1/2017")

    def number(self, column: str) -> int | float | None:
        """The cell as a number of zero or more, an int where it is written as one."""
        expected = "a plain number such as 1054 or 1100.04, not negative"
        return self._parsed(column, _number, expected)

    def whole(self, column: str) -> int | None:
        """The cell as a whole number of zero or more."""
        return self._parsed(column, _whole, "a whole number such as 1986, not negative")

    def _parsed(self, column: str, parse: Callable[[str], V], expected: str) -> V | None:
        found = self.text(column)
        if found is None:
            return None
        try:
            return parse(found)
        except ValueError as error:
            because = f" ({error})" if str(error) else ""
            fix = f"write {column} so, or empty the cell if there is none"
            self.faults.append(Fault(f"{column} {shown(found)} cannot be read{because}", expected, fix))
            return None


def _empty(column: str) -> Fault:
    return Fault(f"{column} is empty", "a value", f"fill in {column}")


def _alternatives(choices: Iterable[str]) -> str:
    return "one of " + ", ".join(choices)


def _day(text: str) -> datetime.date:
    matched = _DAY.fullmatch(text)
    if matched is None:
        raise ValueError
    month, day, year = map(int, matched.groups())
    return datetime.date(year, month, day)


def _number(text: str) -> int | float:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    raise ValueError


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise ValueError
    return int(text)
