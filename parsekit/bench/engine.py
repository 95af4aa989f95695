"""parsekit through its public API, with permissions, validation and journal on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

import parsekit
from parsekit import (
    PFACL,
    ClassSchema,
    Field,
    Index,
    PFObject,
    PFQuery,
    Pointer,
    Principal,
    Schema,
)
from parsekit.bench.data import STAGES, Crm, Row, user_id
from parsekit.bench.peer import Cells

__all__ = ["CRM_SCHEMA", "TARGETS", "Engine"]

_Query: TypeAlias = PFQuery[PFObject]

TARGETS: Final = {
    "company": "Company",
    "contact": "Contact",
    "relatedTo": "Deal",
    "createdBy": "_User",
    "assignedTo": "_User",
}
"""The keys that are pointers, and where they lead to."""

_BATCH: Final = 5_000


def _index(*keys: str) -> Index:
    return Index("_".join(keys), tuple((key, False) for key in keys))


CRM_SCHEMA: Final = Schema(
    (
        ClassSchema.new(
            "Company",
            {"name": Field("String"), "industry": Field("String")},
            indexes=(_index("industry"),),
        ),
        ClassSchema.new(
            "Contact",
            {"name": Field("String"), "email": Field("String"), "company": Field("Pointer", ("Company",))},
        ),
        ClassSchema.new(
            "Deal",
            {
                "title": Field("String", required=True),
                "stage": Field("String", enum=STAGES),
                "amount": Field("Number"),
                "company": Field("Pointer", ("Company",)),
                "contact": Field("Pointer", ("Contact",)),
                "assignedTo": Field("Pointer", ("_User",)),
                "expectedCloseDate": Field("Date"),
            },
            indexes=(
                _index("stage", "expectedCloseDate"),
                _index("assignedTo", "stage", "expectedCloseDate"),
                _index("company", "stage", "amount", "expectedCloseDate"),
                _index("stage", "amount"),
                _index("title"),
            ),
        ),
        ClassSchema.new(
            "Activity",
            {
                "type": Field("String"),
                "subject": Field("String"),
                "dueDate": Field("Date"),
                "relatedTo": Field("Pointer", ("Contact", "Deal")),
                "createdBy": Field("Pointer", ("_User",)),
            },
            indexes=(_index("relatedTo", "dueDate"),),
        ),
    )
)
"""The classes of the CRM with the floor's indexes."""


class Engine:
    """parsekit."""

    name = "parsekit"
    version = f"parsekit {parsekit.__version__}"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = parsekit.open(path, schema=CRM_SCHEMA)
        self._crm = Crm(0)
        self._acls: list[PFACL] = []
        # SAFETY: the floor asks as nobody either; w3 and w4 act as a user
        self._binding = self._engine.acting_as_master()
        self._binding.__enter__()

    @property
    def opened(self) -> parsekit.ParseEngine:
        """The engine that is measured."""
        return self._engine

    def close(self) -> None:
        self._binding.__exit__(None, None, None)
        self._engine.close()

    def load(self, crm: Crm) -> None:
        self._crm = crm
        self._acls = [PFACL.from_json(acl) for acl in crm.acls()]
        _save(_objects("Company", crm.company_rows()))
        _save(_objects("Contact", crm.contact_rows()))
        _save(self._deal(row) for row in crm.deal_rows())
        _save(_objects("Activity", crm.activity_rows()))
        self._roles()

    def adopt(self, crm: Crm) -> None:
        """Take a file into which a CRM was imported: what is missing are the users' roles."""
        self._crm = crm
        self._acls = [PFACL.from_json(acl) for acl in crm.acls()]
        self._roles()

    def _roles(self) -> None:
        members: dict[str, list[str]] = {}
        for user in range(self._crm.users):
            for name in self._crm.roles_of(user):
                members.setdefault(name, []).append(user_id(user))
        for name, users in sorted(members.items()):
            role = parsekit.PFRole(name=name)
            role.acl = PFACL.from_json({"*": {"read": True}})
            for object_id in users:
                role.users.add_object(parsekit.PFUser.without_data(object_id))
            role.save()

    def _deal(self, row: Row) -> PFObject:
        deal = _object("Deal", {key: value for key, value in row.items() if key != "acl"})
        deal.acl = self._acls[row["acl"]]
        return deal

    def get(self, object_id: str) -> Any:
        return PFQuery("Deal").get(object_id)

    @staticmethod
    def _pipeline(stage: str) -> _Query:
        query: _Query = PFQuery("Deal")
        return query.where_key("stage", equal_to=stage).order_by_ascending("expectedCloseDate").limit(100)

    def pipeline(self, stage: str) -> Any:
        return self._pipeline(stage).find()

    def pipeline_of(self, user: int, stage: str) -> Any:
        with self._engine.acting_as(Principal.user(user_id(user))):
            return self._pipeline(stage).find()

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        with self._engine.acting_as(Principal.user(user_id(user))):
            return self._pipeline(stage).include_key("company", "contact").find()

    def activities(self, deal: str) -> Any:
        query: _Query = PFQuery("Activity")
        return (
            query.where_key("relatedTo", equal_to=Pointer("Deal", deal)).order_by_ascending("dueDate").find()
        )

    def board(self) -> list[tuple[int, int]]:
        query: _Query = PFQuery("Deal")
        group = {"_id": "$stage", "n": {"$sum": 1}, "amount": {"$sum": "$amount"}}
        found = {row["objectId"]: (row["n"], row["amount"]) for row in query.aggregate([{"$group": group}])}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        companies: _Query = PFQuery("Company")
        companies.where_key("industry", equal_to=industry)
        query: _Query = PFQuery("Deal")
        query.where_key("stage", contained_in=list(stages)).where_key("amount", greater_than=least)
        query.where_key("expectedCloseDate", less_than=before).where_key("company", matches_query=companies)
        return query.order_by_descending("amount").skip(200).limit(50).find()

    def many(self, least: int) -> Any:
        query: _Query = PFQuery("Deal")
        return query.where_key("amount", greater_than_or_equal_to=least).limit(1_000).find()

    def create(self, row: Row) -> Any:
        deal = self._deal(row)
        deal.save()
        return deal

    def create_many(self, rows: list[Row]) -> Any:
        deals = [self._deal(row) for row in rows]
        PFObject.save_all(deals)
        return deals

    def move(self, object_id: str, stage: str) -> str:
        deal: Any = PFQuery("Deal").get(object_id)
        deal["stage"] = stage
        deal.save()
        moved: Any = PFQuery("Deal").get(object_id)
        return str(moved["stage"])

    def titles(self, start: str) -> Any:
        query: _Query = PFQuery("Deal")
        return query.where_key("title", has_prefix=start).limit(100).find()

    def titles_like(self, pattern: str) -> Any:
        query: _Query = PFQuery("Deal")
        return query.where_key("title", matches_regex=pattern).limit(100).find()

    def walk(self) -> int:
        query: _Query = PFQuery("Deal")
        return sum(1 for _ in query.each())

    def deal(self, answer: Any) -> Cells:
        pointers = (answer[key].object_id for key in ("company", "contact", "assignedTo"))
        values = (answer[key] for key in ("title", "stage", "amount"))
        return answer.object_id, *values, *pointers, answer["expectedCloseDate"]

    def activity(self, answer: Any) -> Cells:
        return answer.object_id, answer["type"], answer["subject"], answer["dueDate"]

    def included(self, answer: Any) -> list[Cells]:
        return [(*self.deal(deal), deal["company"]["name"], deal["contact"]["name"]) for deal in answer]

    def cold_program(self) -> tuple[str, ...] | None:
        program = (
            "import sys, parsekit\n"
            "with parsekit.open(sys.argv[1]) as engine, engine.acting_as_master():\n"
            "    print(parsekit.PFQuery('Deal').get(sys.argv[2])['title'])\n"
        )
        return program, str(self.path)


def _object(class_name: str, row: Row) -> PFObject:
    obj = PFObject(class_name)
    for key, value in row.items():
        target = TARGETS.get(key)
        obj[key] = value if target is None else PFObject.without_data(target, value)
    return obj


def _objects(class_name: str, rows: Iterator[Row]) -> Iterator[PFObject]:
    return (_object(class_name, row) for row in rows)


def _save(objects: Iterator[PFObject]) -> None:
    batch: list[PFObject] = []
    for obj in objects:
        batch.append(obj)
        if len(batch) == _BATCH:
            PFObject.save_all(batch)
            batch.clear()
    PFObject.save_all(batch)
