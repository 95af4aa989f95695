"""Options as JSON, TOML or text -> attrs objects: each by the type that its attribute declares.

Names are Parse Server's: ``maxLimit`` for the attribute ``max_limit``, unless the attribute's metadata has another.
Every problem is found before any is told, each with its place and the nearest name there is.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, Union

import attrs

from parsekit.codec import JSON, loads
from parsekit.errors import EngineError, InvalidJsonError, did_you_mean

__all__ = [
    "OptionError",
    "Problems",
    "Read",
    "from_text",
    "names_of",
    "option_name",
    "read_fields",
    "reader_of",
]

Problems: TypeAlias = list[str]
Read: TypeAlias = Callable[[str, JSON, Problems], Any]
"""Place, value, where to put problems -> the attribute's value."""

_WORDS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NUMBERS: Final = {int: "a whole number", float: "a number"}


class OptionError(EngineError):
    """Options that there are not, or with values that they cannot have. ``problems`` names each."""

    def __init__(self, problems: Problems) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


def option_name(attribute: attrs.Attribute[Any]) -> str:
    """Parse Server's name of an attribute."""
    named = attribute.metadata.get("option")
    if named is not None:
        return str(named)
    first, *others = attribute.name.split("_")
    return first + "".join(part.capitalize() for part in others)


def names_of(kind: type[Any]) -> dict[str, attrs.Attribute[Any]]:
    """Option name -> attribute of an attrs class."""
    return {option_name(attribute): attribute for attribute in attrs.fields(kind)}


def read_fields(kind: type[Any], place: str, given: JSON, problems: Problems) -> Any:
    """An object of an attrs class from JSON; ``None`` where there are problems."""
    if not isinstance(given, Mapping):
        problems.append(f"{place}: expected an object, got {_kind(given)}")
        return None
    known, before = names_of(kind), len(problems)
    values: dict[str, Any] = {}
    for name, value in given.items():
        attribute = known.get(name)
        if attribute is None:
            problems.append(f"{place}.{name}: there is no such option{did_you_mean(name, known)}")
            continue
        values[attribute.name] = reader_of(kind, attribute)(f"{place}.{name}", value, problems)
    missing = [
        name for name, item in known.items() if item.default is attrs.NOTHING and item.name not in values
    ]
    problems.extend(f"{place}.{name}: is missing" for name in missing)
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except EngineError as error:
        problems.append(f"{place}: {error}")
        return None


def reader_of(kind: type[Any], attribute: attrs.Attribute[Any]) -> Read:
    """What reads an attribute: its own ``metadata["read"]``, or what its type says."""
    own: Read | None = attribute.metadata.get("read")
    return own or _by_type(typing.get_type_hints(kind)[attribute.name])


def _by_type(kind: Any) -> Read:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (item for item in arguments if item is not type(None))
        read = _by_type(inner)
        return lambda place, value, problems: None if value is None else read(place, value, problems)
    if origin is tuple:
        return _list_of(_by_type(arguments[0]))
    if origin is not None:
        return _mapping
    if attrs.has(kind):
        return lambda place, value, problems: read_fields(kind, place, value, problems)
    return _SCALARS[kind]


def _list_of(read: Read) -> Read:
    def items(place: str, value: JSON, problems: Problems) -> tuple[Any, ...]:
        entries = value if isinstance(value, list) else [value]  # Parse Server takes one for a list of one
        return tuple(read(f"{place}[{number}]", item, problems) for number, item in enumerate(entries))

    return items


def _mapping(place: str, value: JSON, problems: Problems) -> Any:
    if not isinstance(value, Mapping):
        problems.append(f"{place}: expected an object, got {_kind(value)}")
    return value


def _boolean(place: str, value: JSON, problems: Problems) -> Any:
    if not isinstance(value, bool):
        problems.append(f"{place}: expected true or false, got {_kind(value)}")
    return value


def _number(kind: type[int] | type[float]) -> Read:
    def number(place: str, value: JSON, problems: Problems) -> Any:
        allowed = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed):
            problems.append(f"{place}: expected {_NUMBERS[kind]}, got {_kind(value)}")
        return value

    return number


def _text(place: str, value: JSON, problems: Problems) -> Any:
    if not isinstance(value, str):
        problems.append(f"{place}: expected text, got {_kind(value)}")
    return value


_SCALARS: Final[dict[Any, Read]] = {bool: _boolean, int: _number(int), float: _number(float), str: _text}


def _kind(value: JSON) -> str:
    """What a value is, without its contents, which may be secret."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "an object")


def from_text(kind: type[Any], attribute: attrs.Attribute[Any], text: str) -> JSON:
    """The JSON that the text of an environment variable means for an attribute.

    Lists may be written with commas, as in Parse Server; what is neither is left for the reader to refuse.
    """
    wanted = typing.get_type_hints(kind)[attribute.name]
    arguments = [item for item in typing.get_args(wanted) if item is not type(None)]
    is_union = typing.get_origin(wanted) in (Union, types.UnionType)
    plain = arguments[0] if is_union else wanted
    if plain is str or "read" in attribute.metadata:
        return text
    if plain is bool:
        return _WORDS.get(text.strip().lower(), text)
    try:
        return loads(text)
    except InvalidJsonError:
        if typing.get_origin(plain) is tuple:
            return [part.strip() for part in text.split(",") if part.strip()]
        return text
