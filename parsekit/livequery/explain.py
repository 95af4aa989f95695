"""``Arrival``: whether events of an object reach a subscription, and if not, why; for people to read.

Silence is what Parse developers complain of most with live queries, so each reason that withholds an event is named,
without a single value of the object.
"""

from __future__ import annotations

from typing import final

from parsekit import attrs
from parsekit.errors import ParseError
from parsekit.livequery.conditions import live_predicate
from parsekit.livequery.events import Fields
from parsekit.livequery.rights import Rights, readers_of
from parsekit.query.ast import And, Node, describe
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import Lookup

__all__ = ["Arrival", "explain_arrival"]


@final
@attrs.frozen(slots=True)
class Arrival:
    """Whether changes of an object reach a subscription. ``reasons`` say why not, ``notes`` what else holds."""

    arrives: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.arrives:
            return "; ".join(("the object is in the subscription's result", *self.notes))
        return "; ".join((*self.reasons, *self.notes))


def explain_arrival(
    fields: Fields, where: Node, rules: Dialect, rights: Rights, lookup: Lookup
) -> tuple[str, ...]:
    """Why the object is not in the result of the (settled) conditions under the rights; empty when it is."""
    reasons: list[str] = []
    for part in where.children if isinstance(where, And) else (where,):
        try:
            holds = live_predicate(part, rules, lookup)(fields)
        except ParseError as error:
            reasons.append(f"the condition {describe(part)} cannot be tested: {error.message}")
            continue
        if not holds:
            reasons.append(f"the condition {describe(part)} does not hold")
    who = rights.principal.user_id
    name = rights.principal.kind if who is None else f"user {who}"
    if rights.access is None:
        reasons.append(f"the class-level permissions refuse {name}")
    elif not rights.sees(fields, readers_of(fields)):
        reasons.append(f"its ACL or the pointer permissions of the class do not let {name} read it")
    return tuple(reasons)
