"""From what waits in a queue to what a subscriber takes: objects of its own, includes, and the ``afterEvent`` hook.

Everything here runs in the thread that takes the event, under the subscriber, never in the one that committed.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, final

from parsekit.errors import ParseError
from parsekit.livequery.events import Event, Fields, Occurrence
from parsekit.object import PFObject
from parsekit.object_including import attach_includes
from parsekit.object_state import NO_FIELDS, ResultContext, ResultShape

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.livequery.subscription import Subscription

__all__ = ["LiveEvents"]


@final
class LiveEvents:
    """Makes the events of an engine's subscriptions."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine
        self._shapes: dict[str, ResultShape] = {}

    def event_of(
        self, subscription: Subscription[Any], occurrence: Occurrence, subscriptions: int
    ) -> Event | None:
        """The event of an occurrence; ``None`` when a hook drops it.

        Raises:
            ParsekitError: as the hook raised it.
            ScriptError: 141, the hook raised something else.
        """
        obj = self._object(subscription, occurrence, occurrence.fields)
        original = None
        if occurrence.original is not None:
            original = self._object(subscription, occurrence, occurrence.original)
        event = Event(occurrence.kind, obj, original, occurrence.sequence, occurrence.resume_from)
        if self._engine.cloud.has("afterEvent", occurrence.class_name):
            return self._engine.hooks.after_event(event, subscription.principal, subscriptions)
        return event

    def _object(self, subscription: Subscription[Any], occurrence: Occurrence, fields: Fields) -> PFObject:
        engine, class_name = self._engine, occurrence.class_name
        layout = engine.store.catalog.layout(class_name)
        relations = {} if layout is None else layout.relations
        shape = self._shapes.get(class_name)
        if shape is None or shape.relations is not relations:
            shape = self._shapes[class_name] = ResultShape(
                class_name, NO_FIELDS, relations=relations, engine=engine, classes=engine.class_for
            )
        kind = subscription.kind or engine.class_for(class_name)
        context = ResultContext(shape, subscription.projection is None)
        obj: PFObject = kind.from_fields(context, occurrence.object_id, fields)
        local = obj.local_state
        if subscription.projection is not None and local is not None:
            local.complete = False
        if subscription.state.include:
            view = engine.view(subscription.principal)
            # an include that is refused leaves a pointer: the event itself is the subscriber's
            with contextlib.suppress(ParseError):
                attach_includes(
                    [obj], subscription.state, lambda query, ids: engine.reads.included(query, ids, view)
                )
        return obj
