"""``Compiled``: a statement with what fills its placeholders, and the ways of a query's value into a placeholder.

A plan can be kept in the database file (``kept_plans``) where each of its conversions has a name: the functions in
``CONVERSIONS``, and the two kinds of list arguments with their settings. Nothing here needs sqlglot.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any, Final, TypeAlias, cast, final

from parsekit import attrs
from parsekit.codec import dumps
from parsekit.values import Pointer, Value, date_to_ms

__all__ = [
    "ACL_READ",
    "CONSTANT",
    "CONVERSIONS",
    "SKIP",
    "Bind",
    "Compiled",
    "Conversion",
    "ListText",
    "Picked",
    "Picker",
    "ascii_prefix",
    "object_id",
    "pointer_id",
    "prefix_high",
    "prefix_low",
    "qualified_id",
    "truth",
]

ACL_READ: Final = -1
SKIP: Final = -2
CONSTANT: Final = -3
"""Places of what is bound beside the query's values: the byte maps of the principal, the skip, and what is
the same for every query of the shape."""

Conversion: TypeAlias = Callable[[Value], Any]
_SOURCES: Final = {ACL_READ: "readable", SKIP: "skip", CONSTANT: "None"}


@final
@attrs.frozen(slots=True)
class Bind:
    """How one placeholder is filled: ``convert`` (``None``: as it is) of the value at ``index``."""

    index: int
    convert: Conversion | None = attrs.field(default=None, eq=False)


@final
@attrs.frozen(slots=True, eq=False)
class Compiled:
    """A statement ready to be bound and run.

    ``columns`` are the names of the result columns in order, ``residual`` the constraints that run in Python (as
    ``key op``), ``tables`` what is read.
    """

    sql: str
    binds: tuple[Bind, ...]
    columns: tuple[str, ...]
    residual: tuple[str, ...]
    notes: tuple[str, ...] = ()

    binder: Callable[[list[Value], bytes | None, int], tuple[Any, ...]] = attrs.field(init=False, repr=False)
    """Makes the values to bind, in the order of the placeholders, of the query's values, the map of readable ACLs
    and the skip."""

    @binder.default
    def _binder(self) -> Callable[[list[Value], bytes | None, int], tuple[Any, ...]]:
        names: dict[str, Any] = {}
        parts: list[str] = []
        for number, bind in enumerate(self.binds):
            source = _SOURCES.get(bind.index) or f"values[{bind.index}]"
            if bind.convert is not None:
                names[f"c{number}"] = bind.convert
                source = f"c{number}({source})"
            parts.append(source)
        # the text holds positions and numbered names only
        text = f"lambda values, readable, skip: ({''.join(part + ',' for part in parts)})"
        return cast("Callable[[list[Value], bytes | None, int], tuple[Any, ...]]", eval(text, names))


# --- conversions ---


def object_id(pointer: Pointer) -> str:
    """A pointer as a column with one target class has it."""
    return pointer.object_id


def qualified_id(pointer: Pointer) -> str:
    """A pointer as a column with any target has it."""
    return f"{pointer.class_name}${pointer.object_id}"


def pointer_id(item: Value) -> Any:
    """The id of a pointer, ``None`` for anything else."""
    return item.object_id if isinstance(item, Pointer) else None


def truth(value: Value) -> bool:
    """Whether a text, number or boolean is true to JavaScript."""
    return bool(value)


def ascii_prefix(text: Value) -> str:
    """The ASCII characters at the beginning of a text."""
    return "".join(takewhile(str.isascii, text))


def prefix_low(pattern: Value) -> str:
    """The least text with the literal prefix of a pattern."""
    from parsekit.query.regex import literal_prefix

    return literal_prefix(pattern)[0]


def prefix_high(pattern: Value) -> str | bytes:
    """The least text that is greater than every text with the prefix; a BLOB, which every text precedes, if none."""
    from parsekit.query.regex import literal_prefix

    prefix = literal_prefix(pattern)[0]
    while prefix:
        point = ord(prefix[-1])
        if point < 0x10FFFF:
            following = 0xE000 if point == 0xD7FF else point + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return b""


CONVERSIONS: Final[dict[str, Conversion]] = {
    "date": date_to_ms,
    "id": object_id,
    "qualified id": qualified_id,
    "pointer id": pointer_id,
    "truth": truth,
    "ascii prefix": ascii_prefix,
    "prefix low": prefix_low,
    "prefix high": prefix_high,
}
"""The conversions that a kept plan names."""


@final
@attrs.frozen(slots=True)
class Picker:
    """From an item of a list to its stored form, or ``None`` when it cannot equal any value of the column.

    ``wanted`` is the type of the field and ``target`` the only class of a Pointer; ``numeric`` tells that booleans are
    numbers.
    """

    wanted: str
    target: str | None
    numeric: bool

    @property
    def takes_texts(self) -> bool:
        """Whether a text is its own stored form."""
        return self.wanted not in ("Pointer", "Boolean", "Number", "Date")

    def __call__(self, item: Value) -> Any:
        """The stored form of ``item``."""
        wanted = self.wanted
        if wanted == "Pointer":
            if not isinstance(item, Pointer) or self.target not in (None, item.class_name):
                return None
            return item.object_id if self.target is not None else qualified_id(item)
        if wanted in ("Boolean", "Number") and self.numeric:
            return item if isinstance(item, int | float) else None
        if wanted == "Boolean":
            return item if isinstance(item, bool) else None
        if wanted == "Number":
            return item if isinstance(item, int | float) and not isinstance(item, bool) else None
        if wanted == "Date":
            return date_to_ms(item) if hasattr(item, "tzinfo") else None
        return item if isinstance(item, str) else None


@final
@attrs.frozen(slots=True)
class Picked:
    """The stored form of the item at a place of a list; the arity is padded to a power of two with NULL, which never
    equals anything."""

    pick: Conversion
    position: int

    def __call__(self, items: tuple[Value, ...]) -> Any:
        """The stored form of one of ``items``."""
        return self.pick(items[self.position]) if self.position < len(items) else None


@final
@attrs.frozen(slots=True)
class ListText:
    """A whole list as one JSON text of stored forms."""

    pick: Conversion

    def __call__(self, items: tuple[Value, ...]) -> str:
        """The JSON text of ``items``."""
        pick = self.pick
        if isinstance(pick, Picker) and pick.takes_texts and set(map(type, items)) == {str}:
            return dumps(list(items))
        return dumps([stored for stored in map(self.pick, items) if stored is not None])
