"""The words of the pipeline: the stages of a `Deal` and the types of an `Activity`.

The members are strings, so they compare equal to what the objects hold and go into a query as they are. Their
order is the order of declaration, which is also the order of the enumerations in `schema/crm_package.json`.
"""

from __future__ import annotations

import enum
from typing import Final


class Stage(enum.StrEnum):
    """Where a deal stands, in the order in which deals move.

    >>> Stage("qualified").label, Stage.WON == "won"
    ('Qualified', True)
    """

    LEAD = "lead"
    QUALIFIED = "qualified"
    PROPOSAL = "proposal"
    NEGOTIATION = "negotiation"
    WON = "won"
    LOST = "lost"

    @property
    def label(self) -> str:
        """The stage as people read it."""
        return self.value.capitalize()

    @property
    def position(self) -> int:
        """The place on the pipeline board, from 0 on the left."""
        return BOARD.index(self)

    @property
    def is_open(self) -> bool:
        """Whether the deal can still be won."""
        return self in OPEN_STAGES


class ActivityType(enum.StrEnum):
    """What kind of contact an activity records.

    >>> ActivityType.MEETING.label
    'Meeting'
    """

    CALL = "call"
    EMAIL = "email"
    MEETING = "meeting"
    NOTE = "note"

    @property
    def label(self) -> str:
        """The type as people read it."""
        return self.value.capitalize()


BOARD: Final[tuple[Stage, ...]] = tuple(Stage)
"""The pipeline board: every stage, left to right."""

OPEN_STAGES: Final[tuple[Stage, ...]] = (Stage.LEAD, Stage.QUALIFIED, Stage.PROPOSAL, Stage.NEGOTIATION)
"""The stages of deals that are still being worked on, in the board's order."""

CLOSED_STAGES: Final[tuple[Stage, ...]] = (Stage.WON, Stage.LOST)
"""The stages that end a deal."""
