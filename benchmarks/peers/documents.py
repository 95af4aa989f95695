"""The CRM as documents, in the form in which Parse keeps it in MongoDB: ``_id``, ``_p_company``, ``_rperm``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from parsekit.bench.data import Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["activity_cells", "activity_document", "deal_cells", "deal_document", "readers", "with_id"]


def readers(crm: Crm) -> list[list[str]]:
    """The names that may read, for each ACL."""
    return [[name for name, rights in acl.items() if rights.get("read")] for acl in crm.acls()]


def with_id(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows whose objectId is the ``_id``."""
    for row in rows:
        yield {"_id": row["objectId"], **{key: value for key, value in row.items() if key != "objectId"}}


def deal_document(row: Row, readable: list[list[str]]) -> Row:
    """A deal."""
    return {
        "_id": row["objectId"],
        "title": row["title"],
        "stage": row["stage"],
        "amount": row["amount"],
        "_p_company": row["company"],
        "_p_contact": row["contact"],
        "_p_assignedTo": row["assignedTo"],
        "expectedCloseDate": row["expectedCloseDate"].replace(tzinfo=None),
        "_rperm": readable[row["acl"]],
    }


def activity_document(row: Row) -> Row:
    """An activity."""
    rest = {key: row[key] for key in ("type", "subject", "createdBy")}
    due = row["dueDate"].replace(tzinfo=None)
    return {"_id": row["objectId"], **rest, "dueDate": due, "_p_relatedTo": f"Deal${row['relatedTo']}"}


def deal_cells(document: Any) -> Cells:
    """The cells of a deal."""
    keys = ("_id", "title", "stage", "amount", "_p_company", "_p_contact", "_p_assignedTo")
    return *(document[key] for key in keys), _date(document["expectedCloseDate"])


def activity_cells(document: Any) -> Cells:
    """The cells of an activity."""
    return document["_id"], document["type"], document["subject"], _date(document["dueDate"])


def _date(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
