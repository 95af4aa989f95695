"""The difference between two schemas as a list of changes, and changes applied to a schema. Pure; no I/O.

``apply_changes(old, diff(old, new)) == new`` for any two schemas, the order of classes, fields and indexes aside. A
change that loses values says so (``is_destructive``); whether it is wanted is for ``migrations`` and people to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final

from parsekit import attrs
from parsekit.errors import SchemaError, did_you_mean

if TYPE_CHECKING:
    from parsekit.schema import ClassSchema, Field, Index, Schema

__all__ = [
    "ChangeKind",
    "SchemaChange",
    "add_class",
    "add_field",
    "add_index",
    "apply_changes",
    "diff",
    "drop_class",
    "drop_field",
    "drop_index",
]

ChangeKind: TypeAlias = Literal[
    "add class", "drop class", "add field", "drop field", "change field", "add index", "drop index",
    "set permissions", "set ownership",
]  # fmt: skip


@final
@attrs.frozen(slots=True)
class SchemaChange:
    """One step from a schema to another.

    ``name`` is the field or index, empty for a change of the class itself. ``before`` and ``after`` are what the kind
    is about: a ``ClassSchema``, ``Field``, ``Index``, ``Ownership`` or permissions; ``None`` for nothing.
    """

    kind: ChangeKind
    class_name: str
    name: str = ""
    before: Any = attrs.field(default=None, repr=False)
    after: Any = attrs.field(default=None, repr=False)

    @property
    def is_destructive(self) -> bool:
        """Whether values go: a class or field that is dropped, a field that gets another type or loses its targets."""
        if self.kind in ("drop class", "drop field"):
            return True
        return self.kind == "change field" and not _keeps_values(self.before, self.after)

    def __str__(self) -> str:
        place = f"{self.class_name}.{self.name}" if self.name else self.class_name
        detail = ""
        if self.kind == "add field":
            detail = f" ({self.after.describe()})"
        elif self.kind == "change field":
            detail = f" ({self.before.describe()} to {self.after.describe()})"
            if self.before.describe() == self.after.describe():
                detail = " (its options)"
        loss = "; its values go" if self.is_destructive else ""
        return f"{self.kind} {place}{detail}{loss}"


def _keeps_values(before: Field, after: Field) -> bool:
    if before.type != after.type:
        return False
    if before.type == "Relation":
        return before.targets == after.targets
    # a pointer to one class becomes one to several or any; narrowing is refused where a value would not fit
    return (
        before.type != "Pointer"
        or before.target == after.target
        or (before.target is None) != (after.target is None)
    )


# --- the difference ---


def diff(old: Schema, new: Schema) -> tuple[SchemaChange, ...]:
    """What turns ``old`` into ``new``: classes to add come first, what goes comes last."""
    found: list[SchemaChange] = []
    for item in new:
        before = old.get(item.name)
        if before is None:
            found.append(SchemaChange("add class", item.name, after=item))
        elif before != item:
            found += _class_diff(before, item)
    found += [SchemaChange("drop class", item.name, before=item) for item in old if item.name not in new]
    order = {"add class": 0, "drop index": 1, "drop field": 2, "drop class": 5, "add index": 4}
    return tuple(sorted(found, key=lambda change: order.get(change.kind, 3)))


def _class_diff(old: ClassSchema, new: ClassSchema) -> Iterator[SchemaChange]:
    yield from _members(old.name, old.fields, new.fields, "field")
    before = {index.name: index for index in old.indexes}
    after = {index.name: index for index in new.indexes}
    for change in _members(old.name, before, after, "index"):
        if change.before is not None and change.after is not None:  # an index is not changed, it is made anew
            yield SchemaChange("drop index", old.name, change.name, before=change.before)
            yield SchemaChange("add index", old.name, change.name, after=change.after)
        else:
            yield change
    if old.permissions != new.permissions:
        yield SchemaChange("set permissions", old.name, before=old.permissions, after=new.permissions)
    if old.ownership != new.ownership:
        yield SchemaChange("set ownership", old.name, before=old.ownership, after=new.ownership)


def _members(
    class_name: str,
    before: Mapping[str, Field] | Mapping[str, Index],
    after: Mapping[str, Field] | Mapping[str, Index],
    word: Literal["field", "index"],
) -> Iterator[SchemaChange]:
    for name, item in after.items():
        if name not in before:
            kind: ChangeKind = "add field" if word == "field" else "add index"
            yield SchemaChange(kind, class_name, name, after=item)
        elif before[name] != item:
            yield SchemaChange("change field", class_name, name, before=before[name], after=item)
    for name, item in before.items():
        if name not in after:
            kind = "drop field" if word == "field" else "drop index"
            yield SchemaChange(kind, class_name, name, before=item)


# --- applying it ---


def apply_changes(schema: Schema, changes: Iterable[SchemaChange]) -> Schema:
    """``schema`` with ``changes`` made, in order.

    Raises:
        SchemaError: a change does not fit: its class, field or index is there already, or is not there.
    """
    for change in changes:
        item = schema.get(change.class_name)
        if change.kind == "add class":
            if item is not None:
                raise _misfit(change, "the class is there already")
            schema = schema.with_class(change.after)
            continue
        if item is None:
            raise _misfit(change, f"there is no such class{did_you_mean(change.class_name, schema.classes)}")
        if change.kind == "drop class":
            schema = schema.without_class(change.class_name)
        else:
            schema = schema.with_class(_APPLY[change.kind](item, change))
    return schema


def _misfit(change: SchemaChange, problem: str) -> SchemaError:
    return SchemaError([f"{change}: {problem}; correct the change, or the schema it starts from"])


def _put_field(item: ClassSchema, change: SchemaChange) -> ClassSchema:
    if (change.name in item.fields) != (change.kind == "change field"):
        there = change.name in item.fields
        raise _misfit(change, "the field is there already" if there else _no_field(item, change.name))
    return item.with_fields({change.name: change.after})


def _drop_field(item: ClassSchema, change: SchemaChange) -> ClassSchema:
    if change.name not in item.fields:
        raise _misfit(change, _no_field(item, change.name))
    return item.without_fields([change.name])


def _no_field(item: ClassSchema, name: str) -> str:
    return f"there is no such field{did_you_mean(name, item.fields)}"


def _add_index(item: ClassSchema, change: SchemaChange) -> ClassSchema:
    if any(index.name == change.name for index in item.indexes):
        raise _misfit(change, "the index is there already")
    return attrs.evolve(item, indexes=(*item.indexes, change.after))


def _drop_index(item: ClassSchema, change: SchemaChange) -> ClassSchema:
    kept = tuple(index for index in item.indexes if index.name != change.name)
    if len(kept) == len(item.indexes):
        raise _misfit(change, f"there is no such index{did_you_mean(change.name, [i.name for i in kept])}")
    return attrs.evolve(item, indexes=kept)


def _set_permissions(item: ClassSchema, change: SchemaChange) -> ClassSchema:
    return attrs.evolve(item, permissions=change.after)


def _set_ownership(item: ClassSchema, change: SchemaChange) -> ClassSchema:
    return attrs.evolve(item, ownership=change.after)


_APPLY: Final[Mapping[str, Callable[[ClassSchema, SchemaChange], ClassSchema]]] = MappingProxyType(
    {
        "add field": _put_field,
        "change field": _put_field,
        "drop field": _drop_field,
        "add index": _add_index,
        "drop index": _drop_index,
        "set permissions": _set_permissions,
        "set ownership": _set_ownership,
    }
)


# --- changes written by hand ---


def add_class(item: ClassSchema) -> SchemaChange:
    """Add a class."""
    return SchemaChange("add class", item.name, after=item)


def drop_class(class_name: str) -> SchemaChange:
    """Drop a class with its objects."""
    return SchemaChange("drop class", class_name)


def add_field(class_name: str, key: str, field: Field) -> SchemaChange:
    """Add a field."""
    return SchemaChange("add field", class_name, key, after=field)


def drop_field(class_name: str, key: str) -> SchemaChange:
    """Drop a field with its values, and the indexes on it."""
    return SchemaChange("drop field", class_name, key)


def add_index(class_name: str, index: Index) -> SchemaChange:
    """Add an index."""
    return SchemaChange("add index", class_name, index.name, after=index)


def drop_index(class_name: str, name: str) -> SchemaChange:
    """Drop an index."""
    return SchemaChange("drop index", class_name, name)
