"""The objects that a test gives, read into plain mappings: the whole world of its query.

A relation is given as the SDK keeps it in the local datastore (``{"__type": "Relation", "className": ...,
"objects": [pointers]}``) or as REST adds to it (``{"__op": "AddRelation", "objects": [...]}``).

Not said here: what a query makes of them (``parsekit.testing``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, final

from parsekit import attrs
from parsekit.codec import decode_value, loads, parse_date
from parsekit.errors import EngineError, InvalidJsonError, ParsekitError
from parsekit.object import PFObject
from parsekit.query.compare import sub_results
from parsekit.query.dialect import Dialect
from parsekit.query.state import QueryState
from parsekit.schema import field_for_value
from parsekit.values import MISSING, Pointer, RelationReference, Value

__all__ = ["Given", "Objects"]

Objects: TypeAlias = Iterable[Mapping[str, Any] | PFObject] | Path | str
"""Objects as REST JSON or ``PFObject``, or the path of a JSON file of them."""
Row: TypeAlias = dict[str, Value]
_DATES = ("createdAt", "updatedAt")


def _read(path: Path) -> list[Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        found = loads(text)
    except InvalidJsonError:
        try:
            found = [loads(line) for line in text.splitlines() if line.strip()]
        except InvalidJsonError as error:
            raise EngineError(f"{path}: neither a JSON document nor one JSON object a line") from error
    if isinstance(found, dict) and isinstance(found.get("results"), list):
        found = found["results"]
    if isinstance(found, dict):
        found = [found]  # a file of one line
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise EngineError(f'{path}: expected a list of objects, or {{"results": [...]}}')
    return found


def _relation_members(value: object) -> list[Mapping[str, Any]] | None:
    """The pointers of a relation as a test writes it; ``None`` for any other value."""
    if not isinstance(value, dict):
        return None
    is_relation = value.get("__op") == "AddRelation" or value.get("__type") == "Relation"
    return list(value.get("objects") or []) if is_relation else None


@final
class Given:
    """Objects by class, in the order in which they were given, and the relations between them."""

    def __init__(self, objects: Objects, class_name: str) -> None:
        """Read ``objects``; those that do not name their class are of ``class_name``.

        Raises:
            EngineError: an object cannot be read; says which and why.
        """
        sources = _read(Path(objects)) if isinstance(objects, str | Path) else list(objects)
        self._rows: dict[str, list[Row]] = {}
        self._sources: dict[int, Any] = {}
        self._members: dict[tuple[Pointer, str], list[str]] = {}
        for place, source in enumerate(sources):
            try:
                row = self._row(source, class_name)
            except (ParsekitError, TypeError, ValueError) as error:
                raise EngineError(f"object {place}: {error}") from error
            self._rows.setdefault(row["className"], []).append(row)
            self._sources[id(row)] = source

    def _row(self, source: Mapping[str, Any] | PFObject, class_name: str) -> Row:
        if isinstance(source, PFObject):
            entry: Mapping[str, Any] = {"className": source.class_name, **source.to_fields_json()}
        else:
            entry = source
        if not isinstance(entry, Mapping):
            raise TypeError(f"expected REST JSON (a dict) or a PFObject, got {type(entry).__name__}")
        row: Row = {"className": entry.get("className", class_name)}
        for key, value in entry.items():
            members = _relation_members(value)
            if members is not None:
                row[key] = self._relation(row["className"], entry.get("objectId"), key, value, members)
            elif key in _DATES and isinstance(value, str):
                row[key] = parse_date(value)
            elif key == "ACL":
                row[key] = value
            elif key not in ("className", "__type"):
                row[key] = decode_value(value)
        return row

    def _relation(
        self, class_name: str, object_id: object, key: str, value: Any, members: list[Mapping[str, Any]]
    ) -> RelationReference:
        if not isinstance(object_id, str):
            raise TypeError(f'the relation "{key}" needs an objectId beside it')
        self._members[Pointer(class_name, object_id), key] = [member["objectId"] for member in members]
        target = value.get("className") or (members[0].get("className") if members else None)
        return RelationReference(target or "_User")

    def of(self, class_name: str) -> list[Row]:
        """The objects of a class."""
        return self._rows.get(class_name, [])

    def source(self, row: Row) -> Any:
        """What was given for a row."""
        return self._sources[id(row)]

    def sources(self) -> list[Any]:
        """Everything that was given."""
        return list(self._sources.values())

    def types(self, class_name: str) -> Callable[[str], str | None]:
        """Field types as the server would infer them: by the first value that is not null."""

        def type_of(key: str) -> str | None:
            for row in self.of(class_name):
                value = row.get(key)
                if value is not None:
                    field = field_for_value(value)
                    return None if field is None else field.type
            return None

        return type_of

    def lookup(self, class_name: str, rules: Dialect) -> GivenLookup:
        """What a query of a class asks of the given objects, under given rules."""
        return GivenLookup(self, class_name, rules)

    def members(self, owner: Pointer, key: str) -> Collection[str]:
        """The objectIds in a relation."""
        return self._members.get((owner, key), ())

    def has_relation(self, class_name: str, key: str) -> bool:
        """Whether some object of a class has a relation under a key."""
        return any(owner.class_name == class_name and name == key for owner, name in self._members)

    def owners(self, class_name: str, key: str, members: Sequence[str]) -> Collection[str]:
        """The objectIds of a class whose relation holds one of ``members``."""
        wanted = set(members)
        return {
            owner.object_id
            for (owner, name), held in self._members.items()
            if owner.class_name == class_name and name == key and not wanted.isdisjoint(held)
        }


@final
@attrs.frozen(slots=True)
class GivenLookup:
    """A ``query.subquery.Lookup`` over given objects. Every ACL permits."""

    given: Given
    class_name: str
    rules: Dialect

    def find(self, query: QueryState) -> Sequence[Mapping[str, Value]]:
        """The results of a sub-query."""
        class_name = query.class_name
        if query.redirect_key is not None:
            value = next((row.get(query.redirect_key) for row in self.given.of(class_name)), MISSING)
            class_name = value.class_name if isinstance(value, Pointer | RelationReference) else class_name
        inner = attrs.evolve(self, class_name=class_name)
        return sub_results(self.given.of(class_name), query, self.rules, inner)

    def related_ids(self, owner: Pointer, key: str) -> Collection[str]:
        """The members of a relation."""
        return self.given.members(owner, key)

    def owner_ids(self, key: str, members: Sequence[str]) -> Collection[str]:
        """The owners of relations with one of ``members``."""
        return self.given.owners(self.class_name, key, members)

    def is_relation(self, key: str) -> bool:
        """Whether a key holds relations."""
        return self.given.has_relation(self.class_name, key)

    def readable(self, acl: Mapping[str, Value] | None) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def writable(self, acl: Mapping[str, Value] | None) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def now(self) -> datetime:
        """The time of day, for relative times."""
        return datetime.now(UTC)
