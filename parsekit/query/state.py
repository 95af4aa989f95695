"""``QueryState``: a frozen query, everything that a terminal verb needs and nothing that can change.

The builder (``PFQuery``) freezes into one of these; REST JSON decodes into one; nothing below them sees a
builder. ``None`` for ``limit`` means the dialect's default, not "no limit".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from parsekit import attrs
from parsekit.query.ast import ALWAYS, Node

if TYPE_CHECKING:
    from parsekit.query.dialect import Dialect

__all__ = ["OrderKey", "QueryState"]


@final
@attrs.frozen(slots=True)
class OrderKey:
    """One key of an order; ``key`` may be a dotted path or ``$score``."""

    key: str
    descending: bool = False


@final
@attrs.frozen(slots=False)  # with slots a frozen object of so many fields takes three times as long to make
class QueryState:
    """What is asked of one class.

    ``dialect`` ``None`` means the dialect of the store that answers. ``from_local`` asks the local datastore,
    ``pin`` one pin of it (``None``: all pinned objects). ``redirect_key`` asks the class that the relation or
    pointer ``redirect_key`` of ``class_name`` leads to.
    """

    class_name: str
    where: Node = ALWAYS
    order: tuple[OrderKey, ...] = ()
    limit: int | None = None
    skip: int = 0
    keys: tuple[str, ...] | None = None
    exclude_keys: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    dialect: Dialect | None = None
    from_local: bool = False
    pin: str | None = None
    ignore_acls: bool = False
    redirect_key: str | None = None
    hint: str | None = None
    comment: str | None = None
