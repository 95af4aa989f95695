"""The tables as peewee declares them; nothing else, so that a cold start imports nothing else."""

from __future__ import annotations

from typing import Any

import peewee

__all__ = ["DATABASE", "AclRead", "Activity", "Company", "Contact", "Deal", "open_database"]

DATABASE: Any = peewee.SqliteDatabase(None, regexp_function=True)
"""Bound to a file by ``open_database``."""


def open_database(path: str) -> None:
    """Bind the models to a file."""
    DATABASE.init(path, pragmas={"journal_mode": "wal", "synchronous": "normal"})
    DATABASE.connect()


class _Model(peewee.Model):
    rid = peewee.AutoField()
    objectId = peewee.TextField(unique=True)  # noqa: N815

    class Meta:
        database = DATABASE


class Company(_Model):
    """A company."""

    name = peewee.TextField()
    industry = peewee.TextField()

    class Meta:
        table_name = "Company"


class Contact(_Model):
    """A contact."""

    name = peewee.TextField()
    email = peewee.TextField()
    company = peewee.TextField()

    class Meta:
        table_name = "Contact"


class Deal(_Model):
    """A deal."""

    title = peewee.TextField()
    stage = peewee.TextField()
    amount = peewee.IntegerField()
    company = peewee.ForeignKeyField(Company, field="objectId", column_name="company", backref="+")
    contact = peewee.ForeignKeyField(Contact, field="objectId", column_name="contact", backref="+")
    assignedTo = peewee.TextField()  # noqa: N815
    expectedCloseDate = peewee.DateTimeField()  # noqa: N815
    acl = peewee.IntegerField()

    class Meta:
        table_name = "Deal"


class Activity(_Model):
    """An activity."""

    type = peewee.TextField()
    subject = peewee.TextField()
    dueDate = peewee.DateTimeField()  # noqa: N815
    relatedTo = peewee.TextField()  # noqa: N815
    createdBy = peewee.TextField()  # noqa: N815

    class Meta:
        table_name = "Activity"


class AclRead(peewee.Model):
    """Who may read under which ACL."""

    rid = peewee.AutoField()
    principal = peewee.TextField()
    acl = peewee.IntegerField()

    class Meta:
        database = DATABASE
        table_name = "acl_read"
