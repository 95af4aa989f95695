"""The schemas of the package, read from the JSON files in ``crm_schema/schema``.

Each file extends the one before: the template's classes as published (``crm_template.json``), what this
package states beyond them (``crm_package.json``: permissions, enumerations, indexes, the targets of
``Activity.relatedTo`` and descriptions), and what the sample data needs (``sample.json``).
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Any, Final

from parsekit import Schema, schema_from_json

__all__ = ["package_schema", "sample_schema"]

_TEMPLATE: Final = "crm_template.json"
_PACKAGE: Final = "crm_package.json"
_SAMPLE: Final = "sample.json"


def _document(name: str) -> Any:
    file = importlib.resources.files("crm_schema") / "schema" / name
    return json.loads(file.read_text(encoding="utf-8"))


@functools.cache
def package_schema() -> Schema:
    """The five classes of the CRM."""
    return schema_from_json(_document(_TEMPLATE), _document(_PACKAGE))


@functools.cache
def sample_schema() -> Schema:
    """The CRM with what the sample data adds: ``Product``, and fields of the five classes."""
    return schema_from_json(_document(_TEMPLATE), _document(_PACKAGE), _document(_SAMPLE))
