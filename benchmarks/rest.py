"""The workloads over Parse's REST API, on one connection that stays open: Parse Server and ``parsekit serve`` alike."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks.generate import fields_of
from parsekit.bench.data import STAGES, Crm, Row, user_id
from parsekit.bench.peer import Cells

__all__ = ["RestStore"]

_TIMEOUT_S: Final = 300.0
_PAGE: Final = 1_000
_GET: Final = "GET"


class RestStore:
    """A server that holds the CRM."""

    acting_users = 20
    """As many users log in; the workloads act as them."""

    def __init__(self, port: int, mount: str = "/parse") -> None:
        self._mount = mount
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        self._acls: list[dict[str, dict[str, bool]]] = []
        self._headers = {"X-Parse-Application-Id": "bench", "Content-Type": "application/json"}
        # SAFETY: a scratch server; w3 and w4 use the tokens of users
        self._master = {**self._headers, "X-Parse-Master-Key": "master"}
        self._tokens: dict[int, dict[str, str]] = {}

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """A request; its answer from JSON.

        Raises:
            RuntimeError: the server answered with an error.
        """
        sent = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, f"{self._mount}{path}", sent, headers or self._master)
            reply = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):  # closed while nobody asked anything
            self._connection.close()
            self._connection.request(method, f"{self._mount}{path}", sent, headers or self._master)
            reply = self._connection.getresponse()
        text = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:300]!r}")
        return json.loads(text)

    def close(self) -> None:
        self._connection.close()

    def sign_up(self, crm: Crm) -> None:
        """Make the acting users."""
        self._acls = crm.acls()
        for user in range(self.acting_users):
            body = {"objectId": user_id(user), "username": user_id(user), "password": "bench"}
            token = self.request("POST", "/users", body, self._headers)["sessionToken"]
            self._tokens[user] = {**self._headers, "X-Parse-Session-Token": token}

    def make_roles(self, crm: Crm) -> None:
        """Make the roles of the acting users."""
        members: dict[str, list[Row]] = {}
        for user in range(self.acting_users):
            pointer = {"__type": "Pointer", "className": "_User", "objectId": user_id(user)}
            for name in crm.roles_of(user):
                members.setdefault(name, []).append(pointer)
        for name, users in sorted(members.items()):
            relation = {"__op": "AddRelation", "objects": users}
            self.request("POST", "/roles", {"name": name, "ACL": {"*": {"read": True}}, "users": relation})

    def _find(
        self, class_name: str, where: Row, headers: dict[str, str] | None = None, **options: Any
    ) -> Any:
        query = urllib.parse.urlencode({"where": json.dumps(where), **options})
        return self.request(_GET, f"/classes/{class_name}?{query}", None, headers)["results"]

    def headers_of(self, user: int | None) -> dict[str, str]:
        """The headers of a request as a user, or with the master key."""
        return self._master if user is None else self._tokens[user]

    def get(self, object_id: str) -> Any:
        return self.request(_GET, f"/classes/Deal/{object_id}")

    def pipeline(self, stage: str) -> Any:
        return self._find("Deal", {"stage": stage}, order="expectedCloseDate,objectId", limit=100)

    def pipeline_of(self, user: int, stage: str) -> Any:
        order = "expectedCloseDate,objectId"
        return self._find("Deal", {"stage": stage}, self._tokens[user], order=order, limit=100)

    def pipeline_with_includes(self, user: int, stage: str) -> Any:
        options = {"order": "expectedCloseDate,objectId", "limit": 100, "include": "company,contact"}
        return self._find("Deal", {"stage": stage}, self._tokens[user], **options)

    def activities(self, deal: str) -> Any:
        where = {"relatedTo": {"__type": "Pointer", "className": "Deal", "objectId": deal}}
        return self._find("Activity", where, order="dueDate,objectId", limit=100)

    def board(self) -> list[tuple[int, int]]:
        group = {"_id": "$stage", "n": {"$sum": 1}, "total": {"$sum": "$amount"}}
        query = urllib.parse.urlencode({"pipeline": json.dumps([{"$group": group}])})
        rows = self.request(_GET, f"/aggregate/Deal?{query}")["results"]
        found = {row["objectId"]: (int(row["n"]), int(row["total"])) for row in rows}
        return [found.get(stage, (0, 0)) for stage in STAGES]

    def page(self, stages: Sequence[str], least: int, before: datetime, industry: str) -> Any:
        companies = {"className": "Company", "where": {"industry": industry}}
        where = {
            "stage": {"$in": list(stages)},
            "amount": {"$gt": least},
            "expectedCloseDate": {"$lt": fields_of({"at": before}, [])["at"]},
            "company": {"$inQuery": companies},
        }
        return self._find("Deal", where, order="-amount,-objectId", skip=200, limit=50)

    def many(self, least: int) -> Any:
        return self._find("Deal", {"amount": {"$gte": least}}, limit=1_000)

    def create(self, row: Row) -> Any:
        return self.request("POST", "/classes/Deal", fields_of(row, self._acls))

    def create_many(self, rows: list[Row]) -> Any:
        path = f"{self._mount}/classes/Deal"
        requests = [{"method": "POST", "path": path, "body": fields_of(row, self._acls)} for row in rows]
        answers = self.request("POST", "/batch", {"requests": requests, "transaction": True})
        return [answer["success"] for answer in answers]

    def move(self, object_id: str, stage: str) -> str:
        self.request("PUT", f"/classes/Deal/{object_id}", {"stage": stage})
        return str(self.get(object_id)["stage"])

    def titles(self, start: str) -> Any:
        return self._find("Deal", {"title": {"$regex": f"^\\Q{start}\\E"}}, limit=100)

    def titles_like(self, pattern: str) -> Any:
        return self._find("Deal", {"title": {"$regex": pattern}}, limit=100)

    def walk(self) -> int:
        return sum(len(page) for page in self._pages())

    def _pages(self) -> Iterator[list[Row]]:
        where: Row = {}
        while page := self._find("Deal", where, order="objectId", limit=_PAGE):
            yield page
            where = {"objectId": {"$gt": page[-1]["objectId"]}}

    def deal(self, answer: Any) -> Cells:
        values = (answer[key] for key in ("objectId", "title", "stage", "amount"))
        pointers = (answer[key]["objectId"] for key in ("company", "contact", "assignedTo"))
        return *values, *pointers, _date(answer["expectedCloseDate"])

    def activity(self, answer: Any) -> Cells:
        return answer["objectId"], answer["type"], answer["subject"], _date(answer["dueDate"])

    def included(self, answer: Any) -> list[Cells]:
        return [(*self.deal(deal), deal["company"]["name"], deal["contact"]["name"]) for deal in answer]

    def cold_program(self) -> tuple[str, ...] | None:
        return None


def _date(value: Row) -> datetime:
    return datetime.fromisoformat(value["iso"]).astimezone(UTC)
