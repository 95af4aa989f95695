"""A CRM on Parse's data model: schema, typed classes, the pipeline's stages, and a published sales pipeline.

``SCHEMA`` has the five classes of the CRM (``_User``, ``Company``, ``Contact``, ``Deal``, ``Activity``) and
``SAMPLE_SCHEMA`` what the sample data adds to them; both are declared as JSON in ``crm_schema/schema``.
``User``, ``Company``, ``Contact``, ``Deal`` and ``Activity`` are the typed classes, ``Stage`` and
``ActivityType`` the words of the pipeline. ``crm_schema.sample`` holds the data, and ``python -m crm_schema
demo`` shows it at work.

The package uses parsekit as any other program would. Its names are loaded when they are first used, so that
importing it costs next to nothing.

>>> import crm_schema
>>> sorted(crm_schema.SCHEMA.classes)
['Activity', 'Company', 'Contact', 'Deal', '_User']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from crm_schema.classes import Activity, Company, Contact, Deal, User
    from crm_schema.stages import ActivityType, Stage
    from parsekit import Schema

    SCHEMA: Schema
    SAMPLE_SCHEMA: Schema

__all__ = [
    "SAMPLE_SCHEMA",
    "SCHEMA",
    "Activity",
    "ActivityType",
    "Company",
    "Contact",
    "Deal",
    "Stage",
    "User",
]

_PLACES: Final = {
    **dict.fromkeys(("Activity", "Company", "Contact", "Deal", "User"), "crm_schema.classes"),
    **dict.fromkeys(("ActivityType", "Stage"), "crm_schema.stages"),
}


def __getattr__(name: str) -> Any:
    """Load a name of the package on its first use."""
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    if name in ("SCHEMA", "SAMPLE_SCHEMA"):
        declarations = importlib.import_module("crm_schema.declarations")
        return declarations.package_schema() if name == "SCHEMA" else declarations.sample_schema()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return [*globals(), *__all__]
