"""Django's ORM: model instances, ``select_related`` for the includes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import django
from django.db import connections, transaction
from django.db.models import Count, Sum

from benchmarks.peers.django_models import AclRead, Activity, Company, Deal, connect
from benchmarks.peers.tables import copy_of
from parsekit.bench.data import STAGES, Crm, Row
from parsekit.bench.peer import Cells

__all__ = ["Django"]


class Django:
    """Django."""

    name = "django"
    version = f"Django {django.get_version()}"
    lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._crm = Crm(0)

    def load(self, crm: Crm) -> None:
        self._crm = crm
        copy_of(self.path, crm)
        connect(str(self.path))

    def close(self) -> None:
        connections["default"].close()

    def get(self, object_id: str) -> Any:
        return Deal.objects.get(objectId=object_id)

    def pipeline(self, stage: str) -> Any:
        return list(_in_order(stage)[:100])

    def _pipeline_of(self, user: int, stage: str) -> Any:
        readable = AclRead.objects.filter(principal__in=self._crm.principals_of(user)).values("acl")
        return _in_order(stage).filter(acl__in=readable)

    def pipeline_of(self, user: int, stage: str) -> Any:
        return list(self._pipeline_of(user, stage)[:100])

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        return list(self._pipeline_of(user, stage).select_related("company", "contact")[:100])

    def activities(self, deal: str) -> Any:
        return list(Activity.objects.filter(relatedTo=f"Deal${deal}").order_by("dueDate", "rid")[:100])

    def board(self) -> list[tuple[int, int]]:
        rows = Deal.objects.values_list("stage").annotate(Count("rid"), Sum("amount")).order_by()
        found = {stage: (number, amount) for stage, number, amount in rows}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        companies = Company.objects.filter(industry=industry).values("objectId")
        found = Deal.objects.filter(
            stage__in=stages, amount__gt=least, expectedCloseDate__lt=before, company__in=companies
        )
        return list(found.order_by("-amount", "-rid")[200:250])

    def many(self, least: int) -> Any:
        return list(Deal.objects.filter(amount__gte=least)[:1_000])

    def create(self, row: Row) -> Any:
        return Deal.objects.create(**_values(row))

    def create_many(self, rows: list[Row]) -> Any:
        with transaction.atomic():
            Deal.objects.bulk_create([Deal(**_values(row)) for row in rows])

    def move(self, object_id: str, stage: str) -> str:
        deal = self.get(object_id)
        deal.stage = stage
        deal.save(update_fields=["stage"])
        return str(self.get(object_id).stage)

    def titles(self, start: str) -> Any:
        return list(Deal.objects.filter(title__startswith=start)[:100])

    def titles_like(self, pattern: str) -> Any:
        return list(Deal.objects.filter(title__regex=pattern)[:100])

    def walk(self) -> int:
        return sum(1 for _ in Deal.objects.iterator())

    def deal(self, answer: Any) -> Cells:
        values = (answer.objectId, answer.title, answer.stage, answer.amount)
        pointers = (answer.company_id, answer.contact_id, answer.assignedTo)
        return *values, *pointers, answer.expectedCloseDate

    def activity(self, answer: Any) -> Cells:
        return answer.objectId, answer.type, answer.subject, answer.dueDate

    def included(self, answer: Any) -> list[Cells]:
        return [(*self.deal(deal), deal.company.name, deal.contact.name) for deal in answer]

    def cold_program(self) -> tuple[str, ...] | None:
        program = (
            "import sys\n"
            "from benchmarks.peers.django_models import Deal, connect\n"
            "connect(sys.argv[1])\n"
            "print(Deal.objects.get(objectId=sys.argv[2]).title)\n"
        )
        return program, str(self.path)


def _in_order(stage: str) -> Any:
    return Deal.objects.filter(stage=stage).order_by("expectedCloseDate", "rid")


def _values(row: Row) -> Row:
    named = {key: value for key, value in row.items() if key not in ("company", "contact")}
    return {**named, "company_id": row["company"], "contact_id": row["contact"]}
