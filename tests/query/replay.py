"""The data of the recorded corpora as plain rows, and the lookups that predicates over them need."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from parsekit.codec import decode_value, parse_date
from parsekit.errors import (
    CacheMissError,
    InvalidQueryError,
    NestedKeyError,
    ObjectNotFoundError,
    OperationForbiddenError,
    ParseError,
)
from parsekit.query.ast import AclTest, And, Constraint, Node, Or, constraints_of
from parsekit.query.dialect import Dialect
from parsekit.query.evaluate import count_objects, find_objects
from parsekit.query.matcher import compile_predicate
from parsekit.query.state import OrderKey, QueryState
from parsekit.query.where import check_against_schema, decode_local_where, decode_query
from parsekit.query.where.decode import decode_subquery
from parsekit.values import MISSING, Pointer, RelationReference

DATA = Path(__file__).parents[1] / "conformance" / "data"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Row = dict[str, Any]
INDEX = "#"
"""Under this key a local row carries its place among the objects of its record."""


def records(name: str) -> list[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def row_of(source: Mapping[str, Any], class_name: str) -> Row:
    row: Row = {"className": class_name}
    for key, value in source.items():
        if key in ("createdAt", "updatedAt") and isinstance(value, str):
            row[key] = parse_date(value)
        elif key == "ACL":
            row[key] = value
        elif isinstance(value, dict) and value.get("__op") == "AddRelation":
            target = value["objects"][0]["className"] if value["objects"] else "_User"
            row[key] = RelationReference(target)
        else:
            row[key] = decode_value(value)
    return row


def _role_closure(roles: Sequence[Mapping[str, Any]], username: str) -> set[str]:
    names = {role["name"] for role in roles if username in role["users"]}
    while True:
        more = {role["name"] for role in roles if names & set(role["roles"])} - names
        if not more:
            return names
        names |= more


@attrs.frozen
class Principal:
    entities: frozenset[str] | None
    """Who the principal is for an ACL; ``None`` for master."""
    user_id: str | None = None

    def permits(self, acl: Mapping[str, Any] | None, access: str) -> bool:
        if self.entities is None or acl is None:
            return True
        return any(acl.get(entity, {}).get(access) is True for entity in self.entities)


class Store:
    """``queries.dataset.json``: rows by class, relations, principals."""

    def __init__(self, dataset: Mapping[str, Any]) -> None:
        self.types: dict[str, dict[str, str]] = {
            schema["className"]: {key: field["type"] for key, field in schema["fields"].items()}
            for schema in dataset["schemas"]
        }
        self.types.setdefault("_Role", {}).update(
            {"name": "String", "users": "Relation", "roles": "Relation"}
        )
        self.types["_User"].update({"username": "String", "email": "String"})
        self.permissions = {s["className"]: s.get("classLevelPermissions", {}) for s in dataset["schemas"]}
        self.relations: dict[tuple[str, str, str], list[str]] = {}
        self.rows: dict[str, list[Row]] = {}
        for class_name, objects in dataset["objects"].items():
            self.rows[class_name] = [self.stored(row_of(source, class_name)) for source in objects]
            for source in objects:
                for key, value in source.items():
                    if isinstance(value, dict) and value.get("__op") == "AddRelation":
                        self.relations[class_name, source["objectId"], key] = [
                            o["objectId"] for o in value["objects"]
                        ]
        self.rows["_User"] = [
            row_of({k: v for k, v in user.items() if k != "password"}, "_User") for user in dataset["users"]
        ]
        self._add_roles(dataset)
        self.principals = {"master": Principal(None), "anonymous": Principal(frozenset({"*"}))}
        for user in dataset["users"]:
            roles = {f"role:{name}" for name in _role_closure(dataset["roles"], user["username"])}
            self.principals[user["username"]] = Principal(
                frozenset({"*", user["objectId"]} | roles), user["objectId"]
            )

    def _add_roles(self, dataset: Mapping[str, Any]) -> None:
        user_ids = {user["username"]: user["objectId"] for user in dataset["users"]}
        role_ids = {role["name"]: role["objectId"] for role in dataset["roles"]}
        self.rows["_Role"] = []
        for role in dataset["roles"]:
            plain = {k: v for k, v in role.items() if k not in ("users", "roles")}
            self.rows["_Role"].append(row_of(plain, "_Role"))
            self.relations["_Role", role["objectId"], "users"] = [user_ids[name] for name in role["users"]]
            self.relations["_Role", role["objectId"], "roles"] = [role_ids[name] for name in role["roles"]]

    def stored(self, row: Row) -> Row:
        """A row as it is after its creation: null for a Pointer goes to a key that queries do not look at."""
        types = self.types.get(row["className"], {})
        return {key: value for key, value in row.items() if value is not None or types.get(key) != "Pointer"}

    def lookup(self, class_name: str, principal: Principal) -> StoreLookup:
        return StoreLookup(self, class_name, principal)

    def readable_where(self, class_name: str, where: Node, principal: Principal) -> Node:
        self._authorize(class_name, where, principal)
        if principal.entities is None:
            return where
        return And((AclTest("read"), where))

    def _authorize(self, class_name: str, where: Node, principal: Principal) -> None:
        if principal.entities is None:
            return
        required = self.permissions.get(class_name, {}).get("find", {}).get("requiresAuthentication")
        if required and principal.user_id is None:
            raise ObjectNotFoundError("Permission denied")
        if class_name == "_User" and any(c.key.split(".")[0] == "email" for c in constraints_of(where)):
            raise OperationForbiddenError("Permission denied")

    def find(self, query: QueryState, principal: Principal) -> list[Row]:
        return find_objects(*self._prepared(query, principal))

    def count(self, query: QueryState, principal: Principal) -> int:
        return count_objects(*self._prepared(query, principal))

    def _prepared(self, query: QueryState, principal: Principal) -> tuple[list[Row], QueryState, StoreLookup]:
        types = self.types.get(query.class_name, {})
        check_against_schema(query.where, types.get)
        where = self.readable_where(query.class_name, query.where, principal)
        rows = self.rows.get(query.class_name, [])
        return rows, attrs.evolve(query, where=where), self.lookup(query.class_name, principal)


@attrs.frozen
class StoreLookup:
    store: Store
    class_name: str
    principal: Principal

    def find(self, query: QueryState) -> Sequence[Row]:
        return self.store.find(attrs.evolve(query, limit=10**9, skip=0, order=()), self.principal)

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        for row in self.store.rows.get(owner.class_name, ()):
            if row["objectId"] == owner.object_id and self.readable(row.get("ACL")):
                return self.store.relations.get((owner.class_name, owner.object_id, key), ())
        return ()

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        return {
            owner
            for (class_name, owner, name), ids in self.store.relations.items()
            if class_name == self.class_name and name == key and not set(members).isdisjoint(ids)
        }

    def is_relation(self, key: str) -> bool:
        return self.store.types.get(self.class_name, {}).get(key) == "Relation"

    def readable(self, acl: Mapping[str, Any] | None) -> bool:
        return self.principal.permits(acl, "read")

    def writable(self, acl: Mapping[str, Any] | None) -> bool:
        return self.principal.permits(acl, "write")

    def now(self) -> datetime:
        return NOW


def server_store() -> Store:
    return Store(json.loads((DATA / "queries.dataset.json").read_text(encoding="utf-8")))


def server_answer(store: Store, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the matcher answers to a record of queries.jsonl: ids in order and the count, or the code."""
    principal = store.principals[record["as"]]
    try:
        request = decode_query(record["className"], record["params"])
        rows = store.find(request.state, principal)
        answer: dict[str, Any] = {"ids": [row["objectId"] for row in rows]}
        if request.count:
            answer["count"] = store.count(request.state, principal)
        return answer
    except ParseError as error:
        return {"code": error.code}


def matcher_verdict(store: Store, record: Mapping[str, Any]) -> bool | None:
    """Whether the row of a record of matcher.jsonl matches; ``None`` when the query is refused."""
    source = dict(record["object"])
    class_name = source.pop("className")
    row = store.stored(row_of(source, class_name))
    try:
        request = decode_query(class_name, {"where": record["where"]})
        check_against_schema(request.state.where, store.types.get(class_name, {}).get)
        lookup = store.lookup(class_name, store.principals["master"])
        return compile_predicate(request.state.where, Dialect.SERVER, lookup)(row)
    except ParseError:
        return None


class LocalStore:
    """The objects of one record of ios_offline.jsonl, in row order."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.user_id: str | None = record.get("user")
        self.rows: list[Row] = []
        self.incomplete: set[int] = set()
        self.members: dict[tuple[str, str, str], set[str]] = {}
        for index, source in enumerate(record["objects"]):
            plain = {key: value for key, value in source.items() if key not in ("className", "__complete")}
            if source.get("__complete") is False:
                self.incomplete.add(index)
            self.rows.append({**row_of(plain, source["className"]), INDEX: index})
            for key, value in plain.items():
                if isinstance(value, dict) and value.get("__type") == "Relation":
                    owner = (source["className"], source.get("objectId", ""), key)
                    self.members[owner] = {member["objectId"] for member in value.get("objects", ())}

    def candidates(self, class_name: str) -> Iterator[Row]:
        for index, row in enumerate(self.rows):
            if row["className"] == class_name and index not in self.incomplete:
                yield row

    def state(self, query: Mapping[str, Any]) -> QueryState:
        where = decode_local_where(query.get("where", {}))
        state = decode_subquery({**query, "order": None}, where)
        order = tuple(
            OrderKey(key.removeprefix("-"), key.startswith("-"))
            for key in query.get("order", "").split(",")
            if key
        )
        return attrs.evolve(state, order=order, dialect=Dialect.IOS_LOCAL)

    def where(self, state: QueryState) -> Node:
        if state.ignore_acls:
            return state.where
        visible: Node = AclTest("read")
        if state.class_name == "_User" and self.user_id is not None:
            visible = Or((Constraint("objectId", "$eq", self.user_id), visible))
        return And((visible, state.where))

    def find(self, state: QueryState) -> list[Row]:
        query = attrs.evolve(state, where=self.where(state), dialect=Dialect.IOS_LOCAL)
        found = find_objects(self.candidates(state.class_name), query, self.lookup(state))
        self.check_includes(found, state.include)
        return found

    def count(self, state: QueryState) -> int:
        query = attrs.evolve(state, where=self.where(state), dialect=Dialect.IOS_LOCAL)
        counted = count_objects(self.candidates(state.class_name), query, self.lookup(state))
        unpaged = attrs.evolve(query, order=(), limit=None, skip=0)
        self.check_includes(
            find_objects(self.candidates(state.class_name), unpaged, self.lookup(state)), state.include
        )
        return counted

    def lookup(self, state: QueryState) -> LocalLookup:
        return LocalLookup(self, state.class_name, None if state.ignore_acls else self.user_id)

    def check_includes(self, rows: Iterable[Row], paths: Iterable[str]) -> None:
        rows = list(rows)
        for path in paths:
            for row in rows:
                self._check_include(row.get(path.split(".")[0], MISSING), path.split(".")[1:])

    def _check_include(self, value: Any, rest: Sequence[str]) -> None:
        if value is None or value is MISSING:
            return
        if isinstance(value, list):
            for item in value:
                self._check_include(item, rest)
        elif isinstance(value, Pointer):
            row = next(
                (r for r in self.rows if (r["className"], r.get("objectId")) == attrs.astuple(value)), None
            )
            if row is None:
                raise CacheMissError("This object is not available in the offline cache.")
            if rest:
                self._check_include(row.get(rest[0], MISSING), rest[1:])
        elif isinstance(value, dict) and rest:
            self._check_include(value.get(rest[0], MISSING), rest[1:])
        elif rest:
            raise NestedKeyError("include is invalid")
        else:
            raise NestedKeyError("include is invalid for non-ParseObjects")


@attrs.frozen
class LocalLookup:
    store: LocalStore
    class_name: str
    user_id: str | None

    def find(self, query: QueryState) -> Sequence[Row]:
        store = self.store
        if self.user_id is None:
            store = copy(store)
            store.user_id = None
        return store.find(query)

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        for row in self.store.rows:
            if (row["className"], row.get("objectId")) == (owner.class_name, owner.object_id):
                return self.store.members.get((owner.class_name, owner.object_id, key), ())
        raise InvalidQueryError(f'Key "{key}" has no data.  Call fetchIfNeeded before getting its value.')

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        return {
            owner
            for (class_name, owner, name), ids in self.store.members.items()
            if class_name == self.class_name and name == key and not ids.isdisjoint(members)
        }

    def is_relation(self, key: str) -> bool:
        return any(
            isinstance(row.get(key), RelationReference) for row in self.store.candidates(self.class_name)
        )

    def readable(self, acl: Mapping[str, Any] | None) -> bool:
        entities = {"*"} if self.user_id is None else {"*", self.user_id}
        return acl is None or any(acl.get(entity, {}).get("read") is True for entity in entities)

    def writable(self, acl: Mapping[str, Any] | None) -> bool:
        raise NotImplementedError

    def now(self) -> datetime:
        return NOW


def local_answer(record: Mapping[str, Any]) -> dict[str, Any]:
    """``matches``, ``find`` and ``count`` in the form of a record of ios_offline.jsonl, codes for errors."""
    store = LocalStore(record)
    state = store.state(record)
    matches: list[Any] = []
    for index, row in enumerate(store.rows):
        if row["className"] != state.class_name:
            continue
        if index in store.incomplete:
            matches.append(None)
            continue
        matches.append(
            _or_code(
                lambda row=row: compile_predicate(store.where(state), Dialect.IOS_LOCAL, store.lookup(state))(
                    row
                )
            )
        )
    return {
        "matches": matches,
        "find": _or_code(lambda: [row[INDEX] for row in store.find(state)]),
        "count": _or_code(lambda: store.count(state)),
    }


def _or_code(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except ParseError as error:
        crash = error.hint is not None and error.hint.startswith("on iOS this crashes")
        return {"crash": True} if crash else {"error": error.code}


def recorded_local_answer(record: Mapping[str, Any]) -> dict[str, Any]:
    def plain(answer: Any) -> Any:
        if isinstance(answer, dict):
            return {"crash": True} if "crash" in answer else {"error": answer["error"]}
        return answer

    expected = record["expect"]
    return {
        "matches": [plain(verdict) for verdict in expected["matches"]],
        "find": plain(expected["find"]),
        "count": plain(expected["count"]),
    }
