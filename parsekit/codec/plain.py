"""attrs objects as plain JSON: explanations, findings, journal entries, whatever a command prints with ``--json``.

cattrs does the walking; it is imported on the first call, because it costs more than the rest of the codec together.
A field with ``metadata={"plain": False}`` is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from parsekit.codec.dates import format_date
from parsekit.codec.encoding import encode_value
from parsekit.codec.text import JSON
from parsekit.values import FileReference, Missing, PFGeoPoint, PFPolygon, Pointer, RelationReference

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["to_plain"]

_TYPED = (Pointer, PFGeoPoint, PFPolygon, FileReference, RelationReference, bytes)


def to_plain(value: object) -> JSON:
    """``value`` as JSON: attrs classes as objects with camelCase keys, dates as ISO text, Parse values as REST has
    them. A missing value is ``None``."""
    return _converter().unstructure(value)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@lru_cache(maxsize=1)
def _converter() -> Converter:
    import attrs
    import cattrs
    from cattrs.gen import make_dict_unstructure_fn, override

    converter = cattrs.Converter()

    def of_class(cls: type) -> Callable[[Any], dict[str, Any]]:
        options = {
            field.name: override(rename=_camel(field.name), omit=field.metadata.get("plain") is False)
            for field in attrs.fields(cls)
        }
        make: Any = make_dict_unstructure_fn  # its overrides are keywords named like the fields
        made: Callable[[Any], dict[str, Any]] = make(cls, converter, **options)
        return made

    converter.register_unstructure_hook_factory(attrs.has, of_class)
    converter.register_unstructure_hook(datetime, format_date)
    converter.register_unstructure_hook(Missing, lambda _missing: None)
    converter.register_unstructure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, Enum) and kind is not Missing,
        lambda member: member.value,
    )
    for kind in _TYPED:
        converter.register_unstructure_hook(kind, encode_value)
    return converter
