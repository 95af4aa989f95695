"""Objects to try a condition on: what a key may hold, seen from the argument that it is compared with.

``lint`` asks the matcher about these in both dialects, so nobody has to write down a second time where an
operator differs. A probe is an object with the key under test and nothing else, and a few words on what is
special about it.

What a key may hold follows from its field's type. Without a schema it is taken to hold what its argument
is, other plain values, arrays and objects of them, null, or nothing; Files, points and pointers only where
the argument is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from parsekit.query.ast import Box, Cap, Constraint, Near, PolygonArea, RegexPattern
from parsekit.values import (
    MISSING,
    FileReference,
    PFGeoPoint,
    PFPolygon,
    Pointer,
    RelationReference,
    Value,
    kind_of,
)

__all__ = ["ALWAYS_PRESENT", "Probe", "described", "order_values", "probes_of"]

Probe = tuple[str, dict[str, Value]]
"""What is special about an object, and the object."""

ALWAYS_PRESENT: Final = frozenset({"objectId", "createdAt", "updatedAt"})
_TEXTS: Final = (
    "",
    "a",
    "b",
    "A",
    "À",
    "é",
    "e\u0301",
    "ü",
    "\uff5e",
    "\U0001f600",
    "straße",
    "a\nb",
    "a\r\nb",
)
"""Texts that the dialects can tell apart: by case, by composition, by UTF-16 order, by line ends."""

_DAY: Final = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
_ARTICLES: Final = {
    "string": "a text", "number": "a number", "boolean": "a boolean", "date": "a date", "array": "an array",
    "object": "an object", "pointer": "a pointer", "geopoint": "a GeoPoint", "polygon": "a Polygon",
    "file": "a File", "bytes": "bytes", "relation": "a relation",
}  # fmt: skip
_KIND_OF_TYPE: Final = {
    "String": "string", "Number": "number", "Boolean": "boolean", "Date": "date", "Array": "array",
    "Object": "object", "Pointer": "pointer", "GeoPoint": "geopoint", "Polygon": "polygon", "File": "file",
    "Bytes": "bytes", "Relation": "relation",
}  # fmt: skip
_PLAIN: Final = ("string", "number", "boolean", "date", "array", "object")


def _atoms(argument: Any) -> list[Value]:
    """The values that an argument is made of."""
    if isinstance(argument, tuple | list):
        return [*argument, *(inner for item in argument if isinstance(item, list) for inner in item)]
    if isinstance(argument, Near):
        return [argument.point]
    if isinstance(argument, Box):
        return [argument.southwest, argument.northeast]
    if isinstance(argument, PolygonArea):
        return list(argument.points)
    if isinstance(argument, Cap):
        return [argument.center]
    return [argument]


def _of_type(atoms: Iterable[Value], *types: type) -> list[Any]:
    return [atom for atom in atoms if type(atom) in types]


def _texts(atoms: list[Value]) -> list[str]:
    found = _of_type(atoms, str)
    patterns = [
        atom.pattern.removeprefix("^\\Q").removesuffix("\\E") for atom in _of_type(atoms, RegexPattern)
    ]
    dates = [text for moment in _of_type(atoms, datetime) for text in (moment.isoformat(),)]
    own = [*found, *patterns, *dates]
    return [*own, *(text + "x" for text in own), *(text.upper() for text in own), *_TEXTS]


def _numbers(atoms: list[Value]) -> list[int | float]:
    found = _of_type(atoms, int, float)
    return [*found, *(number + 1 for number in found), *(number - 1 for number in found), 0, 1, 0.5, -1]


def _dates(atoms: list[Value]) -> list[datetime]:
    found = _of_type(atoms, datetime)
    step = timedelta(milliseconds=1)
    return [*found, *(moment + step for moment in found), *(moment - step for moment in found), _DAY]


def _points(atoms: list[Value]) -> list[PFGeoPoint]:
    numbers = [number for number in _of_type(atoms, int, float) if -90 <= number <= 90]
    own = _of_type(atoms, PFGeoPoint)
    return [
        *own,
        *(PFGeoPoint(point.latitude, 3.5) for point in own),
        *(PFGeoPoint(3.5, point.longitude) for point in own),
        *(PFGeoPoint(number, 3.5) for number in numbers),
        PFGeoPoint(0.0, 0.0),
        PFGeoPoint(10.0, 20.0),
    ]


def _pointers(atoms: list[Value]) -> list[Pointer]:
    texts = [Pointer("Probe", text) for text in _of_type(atoms, str)]
    return [*_of_type(atoms, Pointer), *texts, Pointer("Probe", "probe")]


def _objects(atoms: list[Value]) -> list[dict[str, Value]]:
    found = _of_type(atoms, dict)
    turned = [dict(reversed(item.items())) for item in found]
    return [
        {},
        *found,
        *turned,
        *({"k": atom} for atom in atoms if not isinstance(atom, RegexPattern)),
        {"b": 1, "a": 2},
    ]


def _arrays(atoms: list[Value]) -> list[list[Value]]:
    plain = [atom for atom in atoms if not isinstance(atom, RegexPattern) and _is_value(atom)]
    return [
        [],
        [None],
        plain,
        *([atom] for atom in plain),
        *([[atom]] for atom in plain),
        *(["a", atom] for atom in plain),
        *([1, atom] for atom in plain),
        *(list(atom) for atom in plain if isinstance(atom, list)),
        ["a"], [1, "a"], ["a", 1], [True], [0.5], [_DAY], [["a"]], [{"k": 1}],
        *([text] for text in _texts(atoms)),
        *([number] for number in _numbers(atoms)),
    ]  # fmt: skip


def _is_value(atom: object) -> bool:
    """Whether an atom of an argument is a value that an object can hold."""
    try:
        kind_of(atom)
    except TypeError:
        return False
    return True


def _values_of(kind: str, argument: Any) -> list[Value]:
    """Values of a kind, near ``argument`` and far from it."""
    atoms = _atoms(argument)
    texts = _of_type(atoms, str)
    match kind:
        case "string":
            return list(_texts(atoms))
        case "number":
            return list(_numbers(atoms))
        case "boolean":
            return [True, False]
        case "date":
            return list(_dates(atoms))
        case "array":
            return list(_arrays(atoms))
        case "object":
            return list(_objects(atoms))
        case "pointer":
            return list(_pointers(atoms))
        case "geopoint":
            return list(_points(atoms))
        case "file":
            return [*_of_type(atoms, FileReference), *map(FileReference, texts), FileReference("probe.txt")]
        case "bytes":
            return [*_of_type(atoms, bytes), b"probe"]
        case "polygon":
            ring = PFPolygon(((0.0, 0.0), (0.0, 30.0), (30.0, 30.0), (30.0, 0.0)))
            return [*_of_type(atoms, PFPolygon), ring]
    return [RelationReference("Probe")]


def _kinds(field_type: str | None, argument: Any) -> list[str]:
    if field_type is not None:
        return [_KIND_OF_TYPE.get(field_type, "object")]
    own = [kind_of(atom) for atom in _atoms(argument) if _is_value(atom)]
    return list(dict.fromkeys([*(kind for kind in own if kind in _ARTICLES), *_PLAIN]))


def probes_of(leaf: Constraint, field_type: str | None) -> Iterator[Probe]:
    """The objects to try a leaf on."""
    first, *path = leaf.key.split(".")
    if first not in ALWAYS_PRESENT:
        yield f"`{first}` is missing", {}
        yield f"`{first}` is null", {first: None}
    for kind in _kinds(field_type, leaf.argument):
        article = _ARTICLES[kind]
        if not path:
            for value in _values_of(kind, leaf.argument):
                yield f"`{first}` is {article}", {first: value}
        elif kind == "object":
            yield from _nested(first, path, leaf.argument)
        elif kind == "array":
            for _, inner in _nested("", path, leaf.argument):
                yield f"`{first}` is an array of objects", {first: [inner[""]]}
            for value in _arrays(_atoms(leaf.argument)):
                yield f"`{first}` is an array", {first: value}
        else:
            for value in _values_of(kind, leaf.argument)[:3]:
                yield f"`{first}` is {article}", {first: value}


def _nested(first: str, path: list[str], argument: Any) -> Iterator[Probe]:
    """Objects whose ``first`` is a dictionary, with everything at every place of the path."""
    for depth in range(len(path)):
        place = (
            f" `{'.'.join(path[: depth + 1])}`" if not first else f"`{'.'.join((first, *path[: depth + 1]))}`"
        )
        for words, value in _anything(argument):
            inner: Value = {} if value is MISSING else {path[depth]: value}
            for part in reversed(path[:depth]):
                inner = {part: inner}
            yield f"{place} is {words}", {first: inner}
            if depth:
                yield f"{place} is {words}, under an array", {first: {path[0]: [inner[path[0]]]}}


def _anything(argument: Any) -> Iterator[tuple[str, Value]]:
    yield "missing", MISSING
    yield "null", None
    for kind, article in _ARTICLES.items():
        if kind != "relation":
            for value in _values_of(kind, argument):
                yield article, value


def order_values(field_type: str | None) -> list[Value]:
    """A few values of every kind that a field of this type may hold, for ordering."""
    kinds = _PLAIN if field_type is None else (_KIND_OF_TYPE.get(field_type, "object"),)
    counts = {"string": len(_TEXTS) + 3}
    return [value for kind in kinds for value in _values_of(kind, "b")[: counts.get(kind, 3)]]


def described(row: Mapping[str, Value], key: str) -> str:
    """What is under a key of an object, in two words."""
    value = row.get(key, MISSING)
    return "missing" if value is MISSING else _ARTICLES.get(kind_of(value), "null")
