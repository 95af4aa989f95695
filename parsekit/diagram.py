"""A schema for people: the Mermaid diagram of its classes, and the data dictionary of their fields.

Both are text made from a ``Schema`` alone. Left out is what no reader asks for: ACL, which every class has,
and what the engine keeps for itself of a user.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, final

from parsekit import attrs
from parsekit.schema import ClassSchema, Field, Schema

__all__ = ["DictionaryEntry", "dictionary_of", "er_diagram", "markdown_dictionary", "stated_classes"]

_LEFT_OUT: Final = frozenset({"ACL", "emailVerified", "authData"})
_DATES: Final = ("createdAt", "updatedAt")
_DESCRIPTIONS: Final = {
    "objectId": "Auto-generated unique identifier",
    "createdAt": "Auto-generated creation timestamp",
    "updatedAt": "Auto-generated last-update timestamp",
}


@final
@attrs.frozen(slots=True)
class DictionaryEntry:
    """A row of the data dictionary; ``required`` is ``yes``, ``no``, or ``auto`` where the engine sets it."""

    field: str
    type: str
    description: str
    required: str

    def to_json(self) -> dict[str, str]:
        """The row as JSON."""
        return attrs.asdict(self)


def stated_classes(schema: Schema) -> Schema:
    """The schema without the system classes of which it says nothing and to which no other class leads."""
    system = [item for item in schema if item.name.startswith("_") and not item.own_fields]
    others = [item for item in schema if item not in system]
    led_to = {target for item in others for field in item.fields.values() for target in field.targets}
    return Schema([item for item in schema if item in others or item.name in led_to])


def er_diagram(schema: Schema) -> str:
    """The entity-relationship diagram of a schema in Mermaid's language.

    A class comes after those it points to. A pointer is labeled with its key, and with ``has`` where the key
    is the
    name of the class: a company *has* deals.
    """
    ordered = _targets_first(schema)
    lines = ["erDiagram"]
    for item in ordered:
        lines.append(f"    {item.name} {{")
        lines.extend(f"        {_attribute(key, field)}" for key, field in _shown(item))
        lines.append("    }")
    names = {item.name for item in ordered}
    for item in ordered:
        lines.extend(f"    {line}" for line in _relationships(item, names))
    return "\n".join(lines) + "\n"


def _targets_first(schema: Schema) -> list[ClassSchema]:
    """The classes, each after those that its pointers lead to; in the order of the schema in a circle."""
    ordered: dict[str, ClassSchema] = {}
    under_way: set[str] = set()

    def place(item: ClassSchema) -> None:
        if item.name in ordered or item.name in under_way:
            return
        under_way.add(item.name)
        for field in item.fields.values():
            for target in field.targets:
                found = schema.get(target)
                if found is not None:
                    place(found)
        ordered[item.name] = item

    for item in schema:
        place(item)
    return list(ordered.values())


def _shown(item: ClassSchema) -> list[tuple[str, Field]]:
    """The fields in the order of reading: objectId, what the class is about, the dates."""
    fields = [(key, field) for key, field in item.fields.items() if key not in _LEFT_OUT]
    first = [pair for pair in fields if pair[0] == "objectId"]
    last = [pair for key in ("password", *_DATES) for pair in fields if pair[0] == key]
    return first + [pair for pair in fields if pair not in first and pair not in last] + last


def _attribute(key: str, field: Field) -> str:
    mark = " PK" if key == "objectId" else " FK" if field.type in ("Pointer", "Relation") else ""
    return f"{field.type} {key}{mark}"


def _relationships(item: ClassSchema, names: set[str]) -> Iterator[str]:
    for key, field in item.fields.items():
        for target in field.targets:
            if target in names:
                many = "}o" if field.type == "Relation" else "||"
                label = "has" if key == target[:1].lower() + target[1:] else key
                yield f'{target} {many}--o{{ {item.name} : "{label}"'


def dictionary_of(item: ClassSchema) -> list[DictionaryEntry]:
    """What is to be known of the fields of a class, in the order of reading."""
    return [
        DictionaryEntry(
            key,
            field.describe(),
            field.description or _DESCRIPTIONS.get(key, ""),
            "auto" if key in _DESCRIPTIONS else "yes" if field.required else "no",
        )
        for key, field in _shown(item)
    ]


def markdown_dictionary(schema: Schema) -> str:
    """The data dictionary of every class as Markdown tables."""
    return "\n".join(_markdown(item) for item in schema)


def _markdown(item: ClassSchema) -> str:
    entries = dictionary_of(item)
    rows = [f"## {item.name}", "", "| Field | Type | Description | Required |", "|---|---|---|---|"]
    for entry in entries:
        kind = _escaped(entry.type.replace("|", " or "))
        required = "—" if entry.required == "no" else entry.required
        rows.append(f"| {entry.field} | {kind} | {_escaped(entry.description)} | {required} |")
    return "\n".join([*rows, "", f"{len(entries)} fields in {item.name}", ""])


def _escaped(text: str) -> str:
    """Text that Markdown takes neither for the end of a cell nor for HTML."""
    return text.replace("|", "\\|").replace("<", "\\<")
