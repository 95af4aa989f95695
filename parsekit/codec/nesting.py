"""How deep arrays and objects may lie inside each other.

MongoDB documents 100 levels for what is stored and reads 200 at most; Parse Server passes its refusal on as an error 1
without further words. ``DEEPEST`` bounds every value that comes from outside, also one that contains itself, so that
nothing here depends on how much of Python's stack is left; what may be stored is the engine's ``max_nesting``.
"""

from __future__ import annotations

from typing import Any, Final

from parsekit.errors import InternalServerError

__all__ = ["DEEPEST", "STORED_LEVELS", "nesting_exceeds", "too_deep"]

DEEPEST: Final = 200
STORED_LEVELS: Final = 100


def too_deep(levels: int) -> InternalServerError:
    """The refusal of a value that is nested more than ``levels`` deep."""
    return InternalServerError(
        "Internal server error.",
        hint=f"a value is nested more than {levels} levels deep, or contains itself; store its parts as objects of "
        "their own",
    )


def nesting_exceeds(value: Any, levels: int) -> bool:
    """Whether lists and dicts lie more than ``levels`` deep inside each other."""
    stack: list[tuple[Any, int]] = [(value, levels)]
    while stack:
        found, left = stack.pop()
        if isinstance(found, dict | list | tuple):
            if left == 0:
                return True
            items = found.values() if isinstance(found, dict) else found
            stack += [(item, left - 1) for item in items if isinstance(item, dict | list | tuple)]
    return False
