"""The classes of the sample, typed: those of the CRM with what the data adds, and ``Product``.

They stand for the same Parse classes as those in ``crm_schema``; an engine knows one or the other.
"""

from __future__ import annotations

from datetime import datetime

import crm_schema.classes as crm
from parsekit import PFObject

__all__ = ["CLASSES", "Company", "Deal", "Product", "User"]


class User(crm.User, class_name="_User"):
    """A salesperson or a manager."""

    full_name: str | None = None
    regional_office: str | None = None


class Company(crm.Company, class_name="Company"):
    """An account; ``revenue`` in millions of US dollars."""

    year_established: float | None = None
    revenue: float | None = None
    employees: float | None = None
    subsidiary_of: Company | None = None


class Product(PFObject, class_name="Product"):
    """Something to sell; ``price`` in US dollars."""

    name: str
    series: str | None = None
    price: float | None = None


class Deal(crm.Deal, class_name="Deal"):
    """An opportunity."""

    product: Product | None = None
    engage_date: datetime | None = None


CLASSES: tuple[type[PFObject], ...] = (User, Company, crm.Contact, Product, Deal, crm.Activity)
"""What to open an engine with, so that objects of the sample come as these classes."""
