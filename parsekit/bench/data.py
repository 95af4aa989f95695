"""A CRM of any size from a seed: the same rows for every peer, made one by one, whatever the scale."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, final

from parsekit import attrs

__all__ = ["INDUSTRIES", "STAGES", "SUBJECTS", "Crm", "Row", "deal_id", "user_id"]

Row: TypeAlias = dict[str, Any]
"""One object: keys and plain values; a pointer is the objectId it leads to."""

STAGES: Final = ("lead", "qualified", "proposal", "negotiation", "won", "lost")
_INDUSTRY_WORDS: Final = "software medical finance retail energy transport media housing tourism farming"
_SUBJECT_WORDS: Final = """
Solar Wind Hydro Storage Grid Metering Heating Cooling Lighting Boiler Turbine Inverter Battery
Charger Panel Roof Facade Window Pump Valve Sensor Gateway Router Server Backup Archive Network
Firewall Telephony Printing Payroll Ledger Billing Treasury Planning Routing Fleet Depot Dock Crane
Forklift Label Packing Catalog Checkout Loyalty Survey Campaign Training Audit
"""
INDUSTRIES: Final = tuple(_INDUSTRY_WORDS.split())
SUBJECTS: Final = tuple(_SUBJECT_WORDS.split())
SCOPES: Final = ("pilot", "audit", "rollout", "renewal")
_KINDS: Final = ("call", "email", "meeting", "note")
_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
_SPAN_MINUTES: Final = 700_000
_ACLS: Final = 1_000
_ROLES: Final = 50


@final
@attrs.frozen
class Crm:
    """``deals`` deals, with companies, contacts, users and activities in proportion.

    One ACL in ten is public; the others name two of 50 roles and one user. A user has three roles, so may read some
    17 % of the deals.
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
    def activities(self) -> int:
        """How many activities there are."""
        return 2 * self.deals

    @property
    def users(self) -> int:
        """How many users there are."""
        return 200

    def acls(self) -> list[dict[str, dict[str, bool]]]:
        """The distinct ACLs, as Parse JSON."""
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
        """The names of a user's three roles."""
        source = random.Random(self.seed * 1_000 + user)
        return [f"R{role:02d}" for role in source.sample(range(_ROLES), 3)]

    def principals_of(self, user: int) -> list[str]:
        """Every name under which an ACL may let a user in: the public, the user, the roles."""
        return ["*", user_id(user), *(f"role:{name}" for name in self.roles_of(user))]

    def company_rows(self) -> Iterator[Row]:
        """The companies."""
        source = random.Random(self.seed + 1)
        for number in range(self.companies):
            yield {
                "objectId": f"c{number:08d}",
                "name": f"Company {number}",
                "industry": source.choice(INDUSTRIES),
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
        return self._deals(self.deals, random.Random(self.seed + 3))

    def new_deal_rows(self, source: random.Random, first: int, count: int) -> list[Row]:
        """Deals that are not among ``deal_rows()``: ``count`` of them, numbered from ``first`` among the new ones."""
        made = self._deals(count, source)
        return [{**row, "objectId": f"n{first + place:08d}"} for place, row in enumerate(made)]

    def _deals(self, count: int, source: random.Random) -> Iterator[Row]:
        for number in range(count):
            yield {
                "objectId": deal_id(number),
                "title": f"{source.choice(SUBJECTS)} {source.choice(SCOPES)} {number}",
                "stage": source.choice(STAGES),
                "amount": source.randrange(100, 100_000),
                "company": f"c{source.randrange(self.companies):08d}",
                "contact": f"k{source.randrange(self.contacts):08d}",
                "assignedTo": user_id(source.randrange(self.users)),
                "expectedCloseDate": _START + timedelta(minutes=source.randrange(_SPAN_MINUTES)),
                "acl": source.randrange(_ACLS),
            }

    def activity_rows(self) -> Iterator[Row]:
        """The activities, two a deal on average."""
        source = random.Random(self.seed + 4)
        for number in range(self.activities):
            yield {
                "objectId": f"a{number:08d}",
                "type": source.choice(_KINDS),
                "subject": f"Subject {number}",
                "dueDate": _START + timedelta(minutes=source.randrange(_SPAN_MINUTES)),
                "relatedTo": deal_id(source.randrange(self.deals)),
                "createdBy": user_id(source.randrange(self.users)),
            }

    @staticmethod
    def close_date(share: float) -> datetime:
        """The date before which ``share`` of the deals are expected to close."""
        return _START + timedelta(minutes=int(_SPAN_MINUTES * share))


def deal_id(number: int) -> str:
    """The objectId of a deal."""
    return f"d{number:08d}"


def user_id(number: int) -> str:
    """The objectId of a user."""
    return f"u{number:08d}"
