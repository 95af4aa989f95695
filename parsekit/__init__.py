"""parsekit: an embeddable data engine that behaves as Parse does, in process, over SQLite.

``with parsekit.open("app.db") as engine:`` and then ``PFObject``, ``PFQuery``, ``PFUser`` as in the Parse SDKs.
Names are imported when they are first used, so that ``import parsekit`` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not typing's, which takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any, Final

    from parsekit.acl.acl import PFACL
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.core import open_engine as open
    from parsekit.engine.local import open_local_datastore
    from parsekit.engine.upkeep import restore
    from parsekit.errors import (
        EngineError,
        NotOfferedError,
        ParseError,
        ParsekitError,
        SchemaError,
        StorageError,
    )
    from parsekit.file import DirectoryFiles, PFFile
    from parsekit.livequery.events import Event
    from parsekit.livequery.subscription import Subscription
    from parsekit.localstore import LocalDatastore
    from parsekit.migrations import Migration, migration
    from parsekit.object import PFObject
    from parsekit.query.builder import PFQuery
    from parsekit.query.dialect import Dialect
    from parsekit.query.refusals import PredicateRefusedError
    from parsekit.relation import PFRelation
    from parsekit.schema import ClassSchema, Field, Index, Ownership, Schema
    from parsekit.schema_json import schema_from_json, schema_to_json
    from parsekit.storage.journal import JournalLimits
    from parsekit.typed import pf_field
    from parsekit.user import PFRole, PFSession, PFUser
    from parsekit.values import PFGeoPoint, PFPolygon, Pointer

__all__ = [
    "PFACL",
    "ClassSchema",
    "Dialect",
    "DirectoryFiles",
    "EngineError",
    "Event",
    "Field",
    "Index",
    "JournalLimits",
    "LocalDatastore",
    "Migration",
    "NotOfferedError",
    "Ownership",
    "PFFile",
    "PFGeoPoint",
    "PFObject",
    "PFPolygon",
    "PFQuery",
    "PFRelation",
    "PFRole",
    "PFSession",
    "PFUser",
    "ParseEngine",
    "ParseError",
    "ParsekitError",
    "Pointer",
    "PredicateRefusedError",
    "Principal",
    "Schema",
    "SchemaError",
    "StorageError",
    "Subscription",
    "migration",
    "open",
    "open_local_datastore",
    "pf_field",
    "restore",
    "schema_from_json",
    "schema_to_json",
]

__version__ = "0.1.0"

_HOMES: Final = {
    "acl.acl": ("PFACL",),
    "acl.principal": ("Principal",),
    "engine.core": ("ParseEngine", "open"),
    "engine.local": ("open_local_datastore",),
    "engine.upkeep": ("restore",),
    "errors": (
        "EngineError",
        "NotOfferedError",
        "ParseError",
        "ParsekitError",
        "SchemaError",
        "StorageError",
    ),
    "file": ("DirectoryFiles", "PFFile"),
    "livequery.events": ("Event",),
    "livequery.subscription": ("Subscription",),
    "localstore": ("LocalDatastore",),
    "migrations": ("Migration", "migration"),
    "object": ("PFObject",),
    "query.builder": ("PFQuery",),
    "query.dialect": ("Dialect",),
    "query.refusals": ("PredicateRefusedError",),
    "relation": ("PFRelation",),
    "schema": ("ClassSchema", "Field", "Index", "Ownership", "Schema"),
    "schema_json": ("schema_from_json", "schema_to_json"),
    "storage.journal": ("JournalLimits",),
    "typed": ("pf_field",),
    "user": ("PFRole", "PFSession", "PFUser"),
    "values": ("PFGeoPoint", "PFPolygon", "Pointer"),
}
"""Module -> the public names that live in it."""

_RENAMED: Final = {"open": "open_engine"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'parsekit' has no attribute {name!r}")
    value = getattr(import_module(f"parsekit.{home}"), _RENAMED.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
