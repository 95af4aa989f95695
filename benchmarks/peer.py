"""What a peer offers: one method a workload, answers that can be compared between peers."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from benchmarks.data import Crm, Row

__all__ = ["Answer", "Peer"]

Answer = object
"""Ids in order, a count, or pairs: equal between peers that agree."""


class Peer(Protocol):
    """A store that holds the CRM and answers the pipeline's questions."""

    name: str

    def load(self, crm: Crm) -> None:
        """Fill the store."""

    def get(self, object_id: str) -> Answer:
        """w1: a deal by id."""

    def pipeline(self, stage: str) -> Answer:
        """w2: the first 100 deals of a stage by expectedCloseDate."""

    def pipeline_of(self, user: int, stage: str) -> Answer:
        """w3: the same for a user with three roles, who may read some 15 %."""

    def pipeline_with_includes(self, user: int, stage: str) -> Answer:
        """w4: w3 with company and contact."""

    def activities(self, deal: str) -> Answer:
        """w5: the activities of a deal by dueDate, through a polymorphic pointer."""

    def board(self) -> Answer:
        """w6: count and sum of amount per stage."""

    def many(self, least_amount: int) -> Answer:
        """w8: how many of 1,000 deals came."""

    def create(self, row: Row) -> Answer:
        """w9: one durable deal."""

    def create_many(self, rows: list[Row]) -> Answer:
        """w10: many deals in one transaction."""

    def move(self, object_id: str, stage: str) -> Answer:
        """w11: a deal to another stage, read back."""

    def titles(self, start: str) -> Answer:
        """w12: deals whose title starts with a text, at most 100."""

    def titles_like(self, pattern: str) -> Answer:
        """w12r: deals whose title matches a pattern with a literal prefix, at most 100."""

    def walk(self) -> Answer:
        """w15: every deal once."""

    def due(self, before: datetime) -> Answer:
        """How many deals close before an instant."""
