"""The tables as SQLAlchemy declares them; nothing else, so that a cold start imports nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = ["AclRead", "Activity", "Company", "Contact", "Deal", "engine_of"]


def engine_of(path: str) -> Any:
    """An engine on a file, with the floor's pragmas and a REGEXP."""
    engine = sa.create_engine(f"sqlite:///{path}")

    def prepare(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    sa.event.listen(engine, "connect", prepare)
    return engine


class Model(DeclarativeBase):
    """What all tables share."""


class Company(Model):
    """A company."""

    __tablename__ = "Company"
    rid: Mapped[int] = mapped_column(primary_key=True)
    objectId: Mapped[str] = mapped_column(unique=True)  # noqa: N815
    name: Mapped[str]
    industry: Mapped[str]


class Contact(Model):
    """A contact."""

    __tablename__ = "Contact"
    rid: Mapped[int] = mapped_column(primary_key=True)
    objectId: Mapped[str] = mapped_column(unique=True)  # noqa: N815
    name: Mapped[str]
    email: Mapped[str]
    company: Mapped[str]


class Deal(Model):
    """A deal."""

    __tablename__ = "Deal"
    rid: Mapped[int] = mapped_column(primary_key=True)
    objectId: Mapped[str] = mapped_column(unique=True)  # noqa: N815
    title: Mapped[str]
    stage: Mapped[str]
    amount: Mapped[int]
    company: Mapped[str] = mapped_column(sa.ForeignKey("Company.objectId"))
    contact: Mapped[str] = mapped_column(sa.ForeignKey("Contact.objectId"))
    assignedTo: Mapped[str]  # noqa: N815
    expectedCloseDate: Mapped[datetime]  # noqa: N815
    acl: Mapped[int]
    the_company: Mapped[Company] = relationship()
    the_contact: Mapped[Contact] = relationship()


class Activity(Model):
    """An activity."""

    __tablename__ = "Activity"
    rid: Mapped[int] = mapped_column(primary_key=True)
    objectId: Mapped[str] = mapped_column(unique=True)  # noqa: N815
    type: Mapped[str]
    subject: Mapped[str]
    dueDate: Mapped[datetime]  # noqa: N815
    relatedTo: Mapped[str]  # noqa: N815
    createdBy: Mapped[str]  # noqa: N815


class AclRead(Model):
    """Who may read under which ACL."""

    __tablename__ = "acl_read"
    rid: Mapped[int] = mapped_column(primary_key=True)
    principal: Mapped[str]
    acl: Mapped[int]
