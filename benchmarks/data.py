"""A CRM of any size from a seed: the same rows for every peer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, final

import attrs

__all__ = ["STAGES", "Crm", "Row"]

Row = dict[str, Any]

STAGES: Final = ("lead", "qualified", "proposal", "negotiation", "won", "lost")
_INDUSTRIES: Final = ("software", "medical", "finance", "retail", "energy")
_KINDS: Final = ("call", "email", "meeting", "note")
_SUBJECTS: Final = ("Solar", "Wind", "Hydro", "Storage", "Grid")
_SCOPES: Final = ("pilot", "audit", "rollout", "renewal")
_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
_ACLS: Final = 1_000
_ROLES: Final = 50


@final
@attrs.frozen
class Crm:
    """``deals`` deals, with companies, contacts, users and activities in proportion.

    One ACL in ten is public; the others name two of 50 roles and one user.
    """

    deals: int
    seed: int = 1

    @property
    def companies(self) -> int:
        """How many companies there are."""
        return max(10, self.deals // 50)

    @property
    def contacts(self) -> int:
        """How many contacts there are."""
        return max(20, self.deals // 10)

    @property
    def users(self) -> int:
        """How many users there are."""
        return 200

    def acls(self) -> list[dict[str, dict[str, bool]]]:
        """The distinct ACLs."""
        source = random.Random(self.seed + 7)
        rights = {"read": True, "write": True}
        found: list[dict[str, dict[str, bool]]] = []
        for number in range(_ACLS):
            if number % 10 == 0:
                found.append({"*": {"read": True}})
                continue
            roles = source.sample(range(_ROLES), 2)
            names = [*(f"role:R{role:02d}" for role in roles), user_id(source.randrange(self.users))]
            found.append({name: dict(rights) for name in names})
        return found

    def roles_of(self, user: int) -> list[str]:
        """The three roles of a user."""
        source = random.Random(self.seed * 1_000 + user)
        return [f"R{role:02d}" for role in source.sample(range(_ROLES), 3)]

    def company_rows(self) -> Iterator[Row]:
        """The companies."""
        source = random.Random(self.seed + 1)
        for number in range(self.companies):
            yield {
                "objectId": f"c{number:08d}",
                "name": f"Company {number}",
                "industry": source.choice(_INDUSTRIES),
            }

    def contact_rows(self) -> Iterator[Row]:
        """The contacts."""
        source = random.Random(self.seed + 2)
        for number in range(self.contacts):
            yield {
                "objectId": f"k{number:08d}",
                "name": f"Contact {number}",
                "email": f"contact{number}@example.com",
                "company": f"c{source.randrange(self.companies):08d}",
            }

    def deal_rows(self) -> Iterator[Row]:
        """The deals; ``acl`` is a place in ``acls()``."""
        source = random.Random(self.seed + 3)
        for number in range(self.deals):
            yield {
                "objectId": deal_id(number),
                "title": f"{source.choice(_SUBJECTS)} {source.choice(_SCOPES)} {number}",
                "stage": source.choice(STAGES),
                "amount": source.randrange(100, 100_000),
                "company": f"c{source.randrange(self.companies):08d}",
                "contact": f"k{source.randrange(self.contacts):08d}",
                "assignedTo": user_id(source.randrange(self.users)),
                "expectedCloseDate": _START + timedelta(minutes=source.randrange(700_000)),
                "acl": source.randrange(_ACLS),
            }

    def activity_rows(self) -> Iterator[Row]:
        """Two activities a deal."""
        source = random.Random(self.seed + 4)
        for number in range(2 * self.deals):
            yield {
                "objectId": f"a{number:08d}",
                "type": source.choice(_KINDS),
                "subject": f"Subject {number}",
                "dueDate": _START + timedelta(minutes=source.randrange(700_000)),
                "relatedTo": deal_id(source.randrange(self.deals)),
                "createdBy": user_id(source.randrange(self.users)),
            }


def deal_id(number: int) -> str:
    """The objectId of a deal."""
    return f"d{number:08d}"


def user_id(number: int) -> str:
    """The objectId of a user."""
    return f"u{number:08d}"
