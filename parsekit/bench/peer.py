"""What a store offers to take part: one method a workload, and how its answers are read when peers are compared.

The methods of the first group are timed and return what a user of that store would get: rows, dicts, objects. Those of
the second group are not timed: they read such an answer as plain values, the same ones for every peer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from parsekit.bench.data import Crm, Row

__all__ = ["Cells", "Peer"]

Cells: TypeAlias = tuple[Any, ...]
"""The fields of an object as plain values, dates as UTC datetimes, pointers as objectIds."""


class Peer(Protocol):
    """A store that holds the CRM and answers the pipeline's questions."""

    name: str
    """What it is called in results."""
    version: str
    """Of what is measured."""

    @property
    def lacks(self) -> Mapping[str, str]:
        """The methods that it cannot offer, and why."""

    def load(self, crm: Crm) -> None:
        """Fill the store."""

    def close(self) -> None:
        """Let go of files and processes."""

    # ---- timed

    def get(self, object_id: str) -> Any:
        """w1: a deal by id."""

    def pipeline(self, stage: str) -> Any:
        """w2: the first 100 deals of a stage by expectedCloseDate; ties in insertion order."""

    def pipeline_of(self, user: int, stage: str) -> Any:
        """w3: the same as far as a user with three roles may read them."""

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        """w4: w3 with company and contact."""

    def activities(self, deal: str) -> Any:
        """w5: the activities of a deal by dueDate, through a polymorphic pointer."""

    def board(self) -> list[tuple[int, int]]:
        """w6: count and sum of amount of each stage, in the order of ``STAGES``."""

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        """w7: deals of some stages, an amount above ``least``, closing before a date, of companies of an industry.

        By falling amount (ties: the later first), places 201 to 250.
        """

    def many(self, least: int) -> Any:
        """w8: any 1,000 deals of an amount of at least ``least``."""

    def create(self, row: Row) -> Any:
        """w9: one durable deal."""

    def create_many(self, rows: list[Row]) -> Any:
        """w10: many deals in one transaction."""

    def move(self, object_id: str, stage: str) -> str:
        """w11: a deal to another stage; the stage as read back from the store."""

    def titles(self, start: str) -> Any:
        """w12: at most 100 deals whose title starts with a text."""

    def titles_like(self, pattern: str) -> Any:
        """w12r: at most 100 deals whose title matches a regular expression with a literal prefix."""

    def walk(self) -> int:
        """w15: every deal once, as an object; how many there were."""

    # ---- not timed

    def deal(self, answer: Any) -> Cells:
        """objectId, title, stage, amount, company, contact, assignedTo and expectedCloseDate of a deal."""

    def activity(self, answer: Any) -> Cells:
        """objectId, type, subject and dueDate of an activity."""

    def included(self, answer: Any) -> list[Cells]:
        """What w4 returned: the cells of each deal with the names of its company and contact at the end."""

    def cold_program(self) -> tuple[str, ...] | None:
        """w14: a Python program that imports, opens the file, and prints the title of the deal named by its argument.

        The program's text and further arguments; ``None`` for a store that does not keep a file.
        """
