"""Catching up: the events of one subscription for changes of the past, from their images.

For queries about single objects only, under rights that are the same now as then; whoever calls knows. The choice of
events is the dispatcher's own (``kind_of_event``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from parsekit.livequery.conditions import live_predicate
from parsekit.livequery.events import kind_of_event
from parsekit.livequery.images import Transition
from parsekit.livequery.rights import Rights
from parsekit.livequery.showing import Showing
from parsekit.query.dialect import Dialect

if TYPE_CHECKING:
    from parsekit.livequery.subscription import Subscription
    from parsekit.query.ast import Node

__all__ = ["replayed"]


def replayed(
    transitions: Iterable[Transition], subscription: Subscription[Any], where: Node, rights: Rights
) -> None:
    """Deliver the events of past changes."""
    predicate = live_predicate(where, subscription.state.dialect or Dialect.SERVER)
    for transition in transitions:
        if transition.class_name != subscription.state.class_name:
            continue
        showing = Showing(transition)
        before, after = transition.before, transition.after
        was = before is not None and showing.saw(rights) and predicate(before)
        holds = after is not None and showing.sees(rights) and predicate(after)
        kind = kind_of_event(was, holds, before, after)
        if kind is None:
            continue
        if subscription.watch and kind in ("update", "create") and not showing.touches(subscription.watch):
            continue
        subscription.catch_up(showing.occurrence(kind, rights, rights, subscription.projection))
