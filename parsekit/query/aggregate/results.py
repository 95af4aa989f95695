"""Documents as Parse shows them: ``_id`` becomes ``objectId`` (MongoStorageAdapter.aggregate)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parsekit.query.aggregate.expressions import Document
from parsekit.query.aggregate.request import Stage
from parsekit.schema import Field
from parsekit.values import Value

__all__ = ["parse_object", "pointer_field"]


def pointer_field(pipeline: Sequence[Stage], fields: Mapping[str, Field]) -> bool:
    """Whether a ``$group`` groups by a pointer, whose results then show the bare objectId."""
    for name, argument in pipeline:
        identity = argument.get("_id") if name == "$group" and isinstance(argument, Mapping) else None
        if isinstance(identity, str):
            field = fields.get(identity.removeprefix("$").removeprefix("_p_"))
            if field is not None and field.type == "Pointer":
                return True
    return False


def parse_object(document: Document, *, bare_pointer: bool) -> dict[str, Value]:
    """A resulting document with its objectId under Parse's name; an empty one is null."""
    if "_id" not in document:
        return document
    identity = document["_id"]
    if bare_pointer and isinstance(identity, str):
        identity = identity.partition("$")[2] or identity
    if identity in ("", {}, []):
        identity = None
    return {**{key: value for key, value in document.items() if key != "_id"}, "objectId": identity}
