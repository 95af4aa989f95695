"""The engine: the composition root that joins storage, permissions, objects and hooks.

``ParseEngine`` is what ``parsekit.open`` gives. ``read`` is the way of a query, ``write`` the way of a change,
``infer`` the lazy schema, ``views`` what a principal may do.
"""

from parsekit.engine.core import ParseEngine, open_engine

__all__ = ["ParseEngine", "open_engine"]
