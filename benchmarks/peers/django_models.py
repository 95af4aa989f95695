"""Django's settings and the tables as Django declares them; nothing else, so that a cold start imports nothing else."""

from __future__ import annotations

from typing import Any, Final

import django
from django.conf import settings

__all__ = ["AclRead", "Activity", "Company", "Contact", "Deal", "connect"]

_LABEL: Final = "benchmarks_crm"

if not settings.configured:
    settings.configure(
        USE_TZ=True,
        TIME_ZONE="UTC",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()

from django.db import connections, models  # noqa: E402 (models need the settings)


def connect(path: str) -> None:
    """Bind the models to a file, with the floor's pragmas."""
    connection: Any = connections["default"]
    connection.close()
    connection.settings_dict["NAME"] = path
    connection.settings_dict["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    }
    connection.settings_dict["CONN_MAX_AGE"] = None


class Company(models.Model):
    """A company."""

    rid = models.AutoField(primary_key=True)
    objectId = models.TextField(unique=True)  # noqa: N815
    name = models.TextField()
    industry = models.TextField()

    class Meta:
        app_label, db_table, managed = _LABEL, "Company", False


class Contact(models.Model):
    """A contact."""

    rid = models.AutoField(primary_key=True)
    objectId = models.TextField(unique=True)  # noqa: N815
    name = models.TextField()
    email = models.TextField()
    company = models.TextField()

    class Meta:
        app_label, db_table, managed = _LABEL, "Contact", False


def _pointer(target: type[Any], column: str) -> Any:
    kept: Any = models.DO_NOTHING
    return models.ForeignKey(target, kept, to_field="objectId", db_column=column, related_name="+")


class Deal(models.Model):
    """A deal."""

    rid = models.AutoField(primary_key=True)
    objectId = models.TextField(unique=True)  # noqa: N815
    title = models.TextField()
    stage = models.TextField()
    amount = models.IntegerField()
    company = _pointer(Company, "company")
    contact = _pointer(Contact, "contact")
    assignedTo = models.TextField()  # noqa: N815
    expectedCloseDate = models.DateTimeField()  # noqa: N815
    acl = models.IntegerField()

    class Meta:
        app_label, db_table, managed = _LABEL, "Deal", False


class Activity(models.Model):
    """An activity."""

    rid = models.AutoField(primary_key=True)
    objectId = models.TextField(unique=True)  # noqa: N815
    type = models.TextField()
    subject = models.TextField()
    dueDate = models.DateTimeField()  # noqa: N815
    relatedTo = models.TextField()  # noqa: N815
    createdBy = models.TextField()  # noqa: N815

    class Meta:
        app_label, db_table, managed = _LABEL, "Activity", False


class AclRead(models.Model):
    """Who may read under which ACL."""

    rid = models.AutoField(primary_key=True)
    principal = models.TextField()
    acl = models.IntegerField()

    class Meta:
        app_label, db_table, managed = _LABEL, "acl_read", False
