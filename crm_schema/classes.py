"""The five classes of the CRM, typed: a snake_case attribute for every key of the schema.

An attribute without ``None`` is required on create. What the fields mean is said in
``schema/crm_package.json``.
"""

from __future__ import annotations

from datetime import datetime

from crm_schema.stages import ActivityType, Stage
from parsekit import PFObject, PFUser

__all__ = ["Activity", "Company", "Contact", "Deal", "User"]


class User(PFUser, class_name="_User"):
    """Somebody who works with the CRM. Username, email and password are ``PFUser``'s."""


class Company(PFObject, class_name="Company"):
    """A company to sell to."""

    name: str
    website: str | None = None
    industry: str | None = None
    address: str | None = None
    notes: str | None = None
    created_by: User | None = None


class Contact(PFObject, class_name="Contact"):
    """A person to talk to."""

    name: str
    email: str | None = None
    phone: str | None = None
    company: Company | None = None
    notes: str | None = None
    created_by: User | None = None


class Deal(PFObject, class_name="Deal"):
    """Something that may be sold, and how far that has come."""

    title: str
    amount: float | None = None
    stage: Stage | None = None
    contact: Contact | None = None
    company: Company | None = None
    expected_close_date: datetime | None = None
    notes: str | None = None
    assigned_to: User | None = None


class Activity(PFObject, class_name="Activity"):
    """A call, an email, a meeting or a note about a contact or a deal."""

    type: ActivityType | None = None
    subject: str | None = None
    description: str | None = None
    due_date: datetime | None = None
    completed_at: datetime | None = None
    related_to: Contact | Deal | None = None
    created_by: User | None = None
