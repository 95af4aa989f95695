"""The recorded data set of ``queries.dataset.json`` in an engine, loaded the way an import would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import parsekit
from parsekit import Principal
from parsekit.codec import decode_value, parse_date
from parsekit.operations import AddRelation, OperationSet, Set
from parsekit.schema import ClassSchema, Field, Schema
from parsekit.schema_json import schema_from_json

DATA = Path(__file__).parent / "data"


def load_cases(name: str) -> list[dict[str, Any]]:
    """The records of a JSON Lines corpus."""
    with (DATA / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def load_json(name: str) -> Any:
    """A JSON corpus."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def _operations(row: dict[str, Any]) -> OperationSet:
    operations = OperationSet()
    for key, value in row.items():
        if key in ("objectId", "createdAt", "updatedAt", "password"):
            continue
        if isinstance(value, dict) and value.get("__op") == "AddRelation":
            operations.perform(key, AddRelation(tuple(decode_value(item) for item in value["objects"])))
        else:
            operations.perform(key, Set(value if key == "ACL" else decode_value(value)))
    return operations


def _put(engine: parsekit.ParseEngine, class_name: str, row: dict[str, Any]) -> None:
    with engine.store.write() as connection:
        engine.writes.create(
            connection,
            class_name,
            _operations(row),
            engine.view(Principal.maintenance()),
            object_id=row["objectId"],
            created_at=parse_date(row["createdAt"]) if "createdAt" in row else None,
            updated_at=parse_date(row["updatedAt"]) if "updatedAt" in row else None,
        )


def open_dataset(**options: Any) -> tuple[parsekit.ParseEngine, dict[str, str]]:
    """An engine in memory that holds the data set, and the objectId of each user by username."""
    data = load_json("queries.dataset.json")
    schema = schema_from_json({"classes": data["schemas"]})
    engine = parsekit.open(":memory:", schema=schema, **options)
    users = {user["username"]: user["objectId"] for user in data["users"]}
    with engine.transaction():
        for user in data["users"]:
            _put(engine, "_User", user)
        for role in data["roles"]:
            members = [
                {"__type": "Pointer", "className": "_User", "objectId": users[name]} for name in role["users"]
            ]
            ids = {other["name"]: other["objectId"] for other in data["roles"]}
            roles = [
                {"__type": "Pointer", "className": "_Role", "objectId": ids[name]} for name in role["roles"]
            ]
            row = {key: value for key, value in role.items() if key not in ("users", "roles")}
            for key, pointers in (("users", members), ("roles", roles)):
                if pointers:
                    row[key] = {"__op": "AddRelation", "objects": pointers}
            _put(engine, "_Role", row)
        for class_name, rows in data["objects"].items():
            for row in rows:
                _put(engine, class_name, row)
    return engine, users


def plain_schema() -> Schema:
    """A schema with one class, for tests that need any."""
    return Schema([ClassSchema.new("Note", {"title": Field("String")})])
