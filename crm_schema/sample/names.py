"""The names that objects of the sample go by, derived from the names in the files.

One place for each rule, because the reader checks them (two people must not end up with one username) and the
objects use them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

EMAIL_DOMAIN: Final = "example.com"
"""Reserved by RFC 2606: mail to it reaches nobody."""

ROLE_NAME: Final = re.compile(r"[0-9a-zA-Z_\- ]+")
"""What Parse accepts as the name of a role."""

_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")


def slug(name: str) -> str:
    """The name in lower-case ASCII letters and digits with hyphens between; empty if it has none of them.

    >>> slug("Mei-Mei Johns"), slug("José Núñez")
    ('mei-mei-johns', 'jose-nunez')
    """
    decomposed = unicodedata.normalize("NFKD", name)
    ascii_only = decomposed.encode("ascii", "ignore").decode("ascii")
    return _NOT_IN_SLUG.sub("-", ascii_only.lower()).strip("-")


def email(username: str) -> str:
    """The address of a user, in a domain that delivers to nobody."""
    return f"{username}@{EMAIL_DOMAIN}"


def manager_role(manager: str) -> str:
    """The name of the role that holds one manager: `manager-dustin-brinkmann`."""
    return f"manager-{slug(manager)}"


def office_role(office: str) -> str:
    """The name of the role that holds an office's agents: `office-Central`."""
    return f"office-{office}"


def deal_title(product: str, account: str | None) -> str:
    """The title of a deal: the product, and for whom where that is known."""
    return product if account is None else f"{product} for {account}"
