"""What a parsekit file is known by, and the constant SQL with which one that is there is opened and asked.

Apart from ``ddl``, which a program that finds its classes in the file does not need.
"""

from __future__ import annotations

from typing import Final

__all__ = ["APPLICATION_ID", "CLASSES", "FORMAT_VERSION", "GENERATION", "KEPT_PLANS"]

APPLICATION_ID: Final = 0x50464B31
"""Marks a file as a parsekit database (``PFK1``)."""

FORMAT_VERSION: Final = 1
"""The storage format. A file with a greater one was written by a newer parsekit and is refused."""

GENERATION: Final = "SELECT value FROM _pk_meta WHERE key = 'generation'"
CLASSES: Final = "SELECT name, table_name, definition, columns, null_keys FROM _pk_class ORDER BY name"
KEPT_PLANS: Final = "SELECT shape, plan FROM _pk_plan WHERE catalog = ?"
"""What the file keeps of compiled statements (``kept_plans``)."""
