"""parsekit through its public API, with permissions, validation and journal on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import crm_schema
import parsekit
from benchmarks.data import STAGES, Crm, Row, user_id
from benchmarks.peer import Answer
from parsekit import PFACL, ClassSchema, Index, PFObject, PFQuery, Pointer, Principal, Schema

__all__ = ["Engine"]

_INDEXES = (
    Index("company_stage_amount", (("company", False), ("stage", False), ("amount", False))),
    Index("stage_amount", (("stage", False), ("amount", False))),
    Index("title", (("title", False),)),
)


def _schema() -> Schema:
    classes = (ClassSchema.new("Deal", indexes=_INDEXES),)
    return crm_schema.SCHEMA.extended_with(Schema(classes))


class Engine:
    """parsekit."""

    name = "parsekit"

    def __init__(self, path: Path) -> None:
        self._engine = parsekit.open(path, schema=_schema())
        self._crm = Crm(0)
        self._acls: list[PFACL] = []
        self._binding = self._engine.acting_as_master()
        self._binding.__enter__()

    def load(self, crm: Crm) -> None:
        self._crm = crm
        self._acls = [PFACL.from_json(acl) for acl in crm.acls()]
        self._save(self._objects("Company", crm.company_rows()))
        self._save(self._objects("Contact", crm.contact_rows()))
        self._save(self._deal(row) for row in crm.deal_rows())
        self._save(self._objects("Activity", crm.activity_rows()))
        self._roles()

    def _roles(self) -> None:
        members: dict[str, list[Pointer]] = {}
        for user in range(self._crm.users):
            for name in self._crm.roles_of(user):
                members.setdefault(name, []).append(Pointer("_User", user_id(user)))
        for name, users in sorted(members.items()):
            role = parsekit.PFRole(name=name)
            role.acl = PFACL.from_json({"*": {"read": True}})
            for pointer in users:
                role.users.add_object(parsekit.PFUser.without_data(pointer.object_id))
            role.save()

    def _objects(self, class_name: str, rows: Iterator[Row]) -> Iterator[PFObject]:
        targets = {"company": "Company", "contact": "Contact", "relatedTo": "Deal"}
        for row in rows:
            obj = PFObject(class_name)
            for key, value in row.items():
                if key in ("createdBy", "assignedTo"):
                    obj[key] = PFObject.without_data("_User", value)
                elif key in targets:
                    obj[key] = PFObject.without_data(targets[key], value)
                else:
                    obj[key] = value
            yield obj

    def _deal(self, row: Row) -> PFObject:
        fields = {key: value for key, value in row.items() if key != "acl"}
        deal = next(self._objects("Deal", iter([fields])))
        deal.acl = self._acls[row["acl"]]
        return deal

    def _save(self, objects: Iterator[PFObject]) -> None:
        batch: list[PFObject] = []
        for obj in objects:
            batch.append(obj)
            if len(batch) == 5_000:
                PFObject.save_all(batch)
                batch.clear()
        PFObject.save_all(batch)

    def get(self, object_id: str) -> Answer:
        return [PFQuery("Deal").get(object_id).object_id]

    @staticmethod
    def _pipeline(stage: str) -> PFQuery[PFObject]:
        query: PFQuery[PFObject] = PFQuery("Deal")
        return query.where_key("stage", equal_to=stage).order_by_ascending("expectedCloseDate").limit(100)

    def pipeline(self, stage: str) -> Answer:
        return self._pipeline(stage).find()

    def pipeline_of(self, user: int, stage: str) -> Answer:
        with self._engine.acting_as(Principal.user(user_id(user))):
            return self._pipeline(stage).find()

    def pipeline_with_includes(self, user: int, stage: str) -> Answer:
        with self._engine.acting_as(Principal.user(user_id(user))):
            return self._pipeline(stage).include_key("company", "contact").find()

    def activities(self, deal: str) -> Answer:
        query: PFQuery[PFObject] = PFQuery("Activity")
        return (
            query.where_key("relatedTo", equal_to=Pointer("Deal", deal)).order_by_ascending("dueDate").find()
        )

    def board(self) -> Answer:
        query: PFQuery[PFObject] = PFQuery("Deal")
        group = {"_id": "$stage", "n": {"$sum": 1}, "amount": {"$sum": "$amount"}}
        found = {row["objectId"]: (row["n"], row["amount"]) for row in query.aggregate([{"$group": group}])}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def many(self, least_amount: int) -> Answer:
        query: PFQuery[PFObject] = PFQuery("Deal")
        return query.where_key("amount", greater_than_or_equal_to=least_amount).limit(1_000).find()

    def create(self, row: Row) -> Answer:
        self._deal(row).save()
        return None

    def create_many(self, rows: list[Row]) -> Answer:
        PFObject.save_all([self._deal(row) for row in rows])
        return None

    def move(self, object_id: str, stage: str) -> Answer:
        deal: Any = PFQuery("Deal").get(object_id)
        deal["stage"] = stage
        deal.save()
        return deal.fetch()["stage"]

    def titles(self, start: str) -> Answer:
        query: PFQuery[PFObject] = PFQuery("Deal")
        return query.where_key("title", has_prefix=start).limit(100).find()

    def titles_like(self, pattern: str) -> Answer:
        query: PFQuery[PFObject] = PFQuery("Deal")
        return query.where_key("title", matches_regex=pattern).limit(100).find()

    def walk(self) -> Answer:
        query: PFQuery[PFObject] = PFQuery("Deal")
        return sum(1 for _ in query.each())

    def due(self, before: datetime) -> Answer:
        query: PFQuery[PFObject] = PFQuery("Deal")
        return query.where_key("expectedCloseDate", less_than=before).count()
