"""parsekit: an embeddable data engine that behaves as Parse does, in process, over SQLite.

``with parsekit.open("app.db") as engine:`` and then ``PFObject``, ``PFQuery``, ``PFUser`` as in the Parse SDKs.
"""

from __future__ import annotations

from parsekit.acl.acl import PFACL
from parsekit.acl.principal import Principal
from parsekit.engine import ParseEngine
from parsekit.engine import open_engine as open  # noqa: A004 - parsekit.open reads like the builtin it resembles
from parsekit.errors import EngineError, ParseError, ParsekitError, SchemaError, StorageError
from parsekit.object import PFObject
from parsekit.query.builder import PFQuery
from parsekit.query.dialect import Dialect
from parsekit.schema import ClassSchema, Field, Index, Schema
from parsekit.schema_json import schema_from_json, schema_to_json
from parsekit.typed import pf_field
from parsekit.values import PFGeoPoint, PFPolygon, Pointer

__all__ = [
    "ClassSchema",
    "Dialect",
    "EngineError",
    "Field",
    "Index",
    "PFACL",
    "PFGeoPoint",
    "PFObject",
    "PFPolygon",
    "PFQuery",
    "ParseEngine",
    "ParseError",
    "ParsekitError",
    "Pointer",
    "Principal",
    "Schema",
    "SchemaError",
    "StorageError",
    "open",
    "pf_field",
    "schema_from_json",
    "schema_to_json",
]

__version__ = "0.1.0"
