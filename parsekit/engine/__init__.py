"""The engine: the composition root that joins storage, permissions, objects and hooks.

``ParseEngine`` is what ``parsekit.open`` gives. ``read`` is the way of a query, ``write`` the way of a change,
``infer`` the lazy schema, ``views`` what a principal may do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsekit._lazily import names_from

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine, open_engine

__all__ = ["ParseEngine", "open_engine"]

if not TYPE_CHECKING:
    __getattr__ = names_from(
        __name__,
        {
            "core": (
                "ParseEngine",
                "open_engine",
            ),
        },
    )
