"""``Subscription``: one subscriber's events, taken by handlers or by iterating.

The picture: the thread that commits a change puts it into the queues of those whom it concerns and goes on. Taking it
out happens elsewhere: in the thread that iterates, or, for handlers, in a thread of the subscription's own that lives
while there is something to handle. So a slow handler delays its own subscription only, and a failing one is reported to
``on_error`` (else to the log ``parsekit.livequery``) and the next event is handled.

The queue holds 1,000 events unless told otherwise. When it is full the subscription closes: what is queued still
arrives, then ``SubscriptionLagged`` with the number to resume from. Which events there are: ``dispatcher``.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar, final

from parsekit._context import CURRENT, Binding
from parsekit.errors import EngineError, SubscriptionLagged
from parsekit.livequery.events import Event, EventKind, Occurrence
from parsekit.livequery.showing import projection_of
from parsekit.query.state import QueryState

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.livequery.explain import Arrival
    from parsekit.object import PFObject

__all__ = ["DEFAULT_CAPACITY", "LiveSource", "Subscription"]

DEFAULT_CAPACITY: Final = 1_000
_GRACE_S: Final = 1.0
"""How long a handler thread waits for more before it ends."""
_MAKING: Final = threading.Lock()
_LOG: Final = logging.getLogger("parsekit.livequery")

T = TypeVar("T")
Handler = Callable[[Event], Any]
H = TypeVar("H", bound=Callable[..., Any])


class LiveSource(Protocol):
    """What a subscription asks of the engine it belongs to."""

    def event_of(self, subscription: Subscription[Any], occurrence: Occurrence) -> Event | None:
        """The event with objects of its own, includes attached; ``None`` when a hook drops it."""

    def leave(self, subscription: Subscription[Any]) -> None:
        """Nothing more is to be delivered to the subscription."""

    def explain(self, subscription: Subscription[Any], obj: PFObject) -> Arrival:
        """Whether the object is in the subscription's result, and if not why."""


@final
class Subscription(Generic[T]):
    """A live query. Made by ``PFQuery.subscribe()``; use it as a context manager or ``close()`` it.

    ``start`` is the journal position from which events count: what the query answered then, plus the events, is what
    it answers now (law L5). ``fresh_result`` is ``None`` unless the subscription was to resume and could not: then
    ``resume_gap`` says why, and it is the query's result at ``start``, to begin anew with.
    """

    __slots__ = (
        "_alert", "_attentive", "_binding", "_capacity", "_closed", "_condition", "_error_handlers", "_failure",
        "_handlers", "_handling", "_queue", "_ready", "_source", "_taken_by", "_thread", "fresh_result", "kind",
        "projection", "resume_gap", "start", "state", "watch",
    )  # fmt: skip

    def __init__(
        self,
        source: LiveSource,
        binding: Binding,
        state: QueryState,
        *,
        kind: type[T] | None = None,
        watch: tuple[str, ...] = (),
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        self.state = state
        self.watch = watch
        self.projection = projection_of(state.keys, state.exclude_keys)
        self.kind = kind
        self.start = 0
        self.resume_gap: str | None = None
        self.fresh_result: list[T] | None = None
        self._source = source
        self._binding = binding
        self._capacity = capacity
        self._queue: deque[Occurrence] = deque()
        # made when somebody needs them: there may be very many subscriptions
        self._handlers: dict[str, list[Handler]] | None = None
        self._error_handlers: tuple[Callable[[Exception], Any], ...] = ()
        self._condition: threading.Condition | None = None
        self._ready: Callable[[], object] | None = None
        # whether anybody is to be told of an event: one look for the many whom nobody waits for
        self._alert = self._attentive = False
        self._thread: threading.Thread | None = None
        self._taken_by: str | None = None
        self._closed = False
        self._failure: Exception | None = None
        self._handling = False

    @property
    def principal(self) -> Principal:
        """Under whom the subscription runs."""
        return self._binding.principal

    @property
    def _changed(self) -> threading.Condition:
        made = self._condition
        if made is None:
            with _MAKING:
                made = self._condition
                if made is None:
                    made = self._condition = threading.Condition(threading.Lock())
        return made

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will be queued."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many events are queued."""
        return len(self._queue)

    # -- handlers --------------------------------------------------------------------------------

    def on_create(self, handler: H) -> H:
        """Call ``handler(event)`` for each new object. Can be used as a decorator, as the five below."""
        return self._handle("create", handler)

    def on_enter(self, handler: H) -> H:
        """Call ``handler(event)`` for each existing object that comes into the result."""
        return self._handle("enter", handler)

    def on_update(self, handler: H) -> H:
        """Call ``handler(event)`` for each change of an object that stays in the result."""
        return self._handle("update", handler)

    def on_leave(self, handler: H) -> H:
        """Call ``handler(event)`` for each object that leaves the result and still exists."""
        return self._handle("leave", handler)

    def on_delete(self, handler: H) -> H:
        """Call ``handler(event)`` for each object of the result that is deleted."""
        return self._handle("delete", handler)

    def on_event(self, handler: H) -> H:
        """Call ``handler(event)`` for each event, after the handlers of its kind."""
        return self._handle("", handler)

    def on_error(self, handler: H) -> H:
        """Call ``handler(error)`` when a handler fails, the queue overflows, or the query can no longer be tested."""
        self._error_handlers += (handler,)
        return handler

    def _handle(self, kind: EventKind | str, handler: H) -> H:
        self._take_by("handlers")
        with self._changed:
            if self._handlers is None:
                self._handlers = {}
            self._handlers.setdefault(kind, []).append(handler)
            self._attentive = self._alert = True
            self._ensure_thread()
        return handler

    def _take_by(self, way: str) -> None:
        if self._taken_by not in (None, way):
            raise EngineError(
                f"subscription: its events are taken by {self._taken_by} already; subscribe a second time to "
                f"take them by {way} as well"
            )
        self._taken_by = way

    def on_ready(self, tell: Callable[[], object]) -> None:
        """Call ``tell()`` whenever there is something to take with ``next(0)``, and when the subscription ends.

        It is called in the thread that committed the change, once for each event: it must be quick and may not raise.
        """
        with self._changed:
            self._ready = tell
            self._alert = True
        if self._queue or self._closed:
            tell()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the handlers have handled all that is queued now; whether they did within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._handling, timeout)

    # -- iterating -------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        """The events, each as soon as it is there; ends when the subscription is closed.

        Raises:
            SubscriptionLagged: the queue was full; after the events that were queued.
        """
        while (event := self.next()) is not None:
            yield event

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event; ``None`` when none came within ``timeout`` seconds, or the subscription is closed.

        ``timeout=0`` does not wait. Raises as iterating does, and what an ``afterEvent`` hook raises, whose event is
        then skipped.
        """
        self._take_by("iterating")
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            if not self._queue and timeout != 0:
                self._wait(None if deadline is None else max(deadline - monotonic(), 0.0))
            try:
                occurrence = self._queue.popleft()
            except IndexError:
                if self._failure is not None:
                    failure, self._failure = self._failure, None
                    raise failure from None
                return None
            event = self._source.event_of(self, occurrence)
            if event is not None:
                return event

    def pending(self) -> list[Event]:
        """The events that are queued now, without waiting. Raises as iterating does."""
        events: list[Event] = []
        while self._queue or self._failure is not None:
            event = self.next(0)
            if event is None:
                break
            events.append(event)
        return events

    def _wait(self, timeout: float | None) -> None:
        with self._changed:
            self._attentive = self._alert = True
            self._changed.wait_for(lambda: bool(self._queue) or self._closed, timeout)
            self._attentive = bool(self._handlers)
            self._alert = self._attentive or self._ready is not None

    # -- delivery: what the dispatcher calls -----------------------------------------------------

    def deliver(self, occurrence: Occurrence) -> bool:
        """Queue an event; ``False`` when the queue was full, which closes the subscription."""
        queue = self._queue
        if len(queue) >= self._capacity:
            if not self._closed:
                self.fail(SubscriptionLagged(queue[-1].resume_from if queue else self.start))
            return False
        queue.append(occurrence)
        # whoever takes sets the flag before it looks at the queue, so that no event is overlooked
        if self._alert:
            self._call_attention()
        return True

    def _call_attention(self) -> None:
        if self._attentive:
            with self._changed:
                self._ensure_thread()
                self._changed.notify_all()
        if self._ready is not None:
            self._ready()

    def catch_up(self, occurrence: Occurrence) -> None:
        """Queue an event of the past, beyond the capacity, which is for what happens from now on."""
        self._capacity += 1
        self._queue.append(occurrence)

    def begin(self, position: int) -> None:
        """Events count from ``position`` on."""
        self.start = position

    def fail(self, error: Exception) -> None:
        """Close with an error, which arrives after the events that are queued."""
        self._failure = error
        self.shut()

    def shut(self) -> None:
        """Queue nothing more; whoever waits is told."""
        with self._changed:
            self._closed = True
            self._capacity = 0
            if self._handlers or self._error_handlers:
                self._ensure_thread()
            self._changed.notify_all()
        if self._ready is not None:
            self._ready()

    # -- the handlers' thread ----------------------------------------------------------------------

    def _ensure_thread(self) -> None:
        if self._thread is None and (self._queue or self._failure is not None):
            if not (self._handlers or self._error_handlers):
                return
            self._thread = threading.Thread(target=self._run, name="parsekit-subscription", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        # the subscriber's context: handlers run as their subscriber
        CURRENT.set(self._binding)
        while self._more():
            try:
                occurrence = self._queue.popleft()
            except IndexError:
                failure, self._failure = self._failure, None
                if failure is not None:
                    self._report(failure)
                continue
            self._call(occurrence)
            with self._changed:
                self._handling = False
                self._changed.notify_all()

    def _more(self) -> bool:
        """Wait for something to handle; ``False`` ends the thread."""
        deadline = monotonic() + _GRACE_S
        with self._changed:
            self._handling = False
            self._changed.notify_all()
            while not self._queue and self._failure is None:
                left = deadline - monotonic()
                if self._closed or left <= 0:
                    self._thread = None
                    return False
                self._changed.wait(left)
            self._handling = True
            return True

    def _call(self, occurrence: Occurrence) -> None:
        try:
            event = self._source.event_of(self, occurrence)
        except Exception as error:  # noqa: BLE001 - an include that fails is this subscription's affair alone
            self._report(error)
            return
        if event is None:
            return
        found = self._handlers or {}
        for handler in [*found.get(event.kind, ()), *found.get("", ())]:
            try:
                handler(event)
            except Exception as error:  # noqa: BLE001 - the user's code may raise anything, and harms only itself
                self._report(error)

    def _report(self, error: Exception) -> None:
        if not self._error_handlers:
            _LOG.error("subscription to %s: %s", self.state.class_name, type(error).__name__, exc_info=error)
            return
        for handler in self._error_handlers:
            try:
                handler(error)
            except Exception as second:  # noqa: BLE001 - as in _call
                _LOG.error("subscription to %s: on_error failed", self.state.class_name, exc_info=second)

    # -- the rest --------------------------------------------------------------------------------

    def explain(self, obj: PFObject) -> Arrival:
        """Why events of ``obj`` do not arrive here, or that they do.

        Raises:
            ObjectNotFoundError: 101, the current principal cannot read the object.
        """
        return self._source.explain(self, obj)

    def close(self) -> None:
        """Unsubscribe. What is queued can still be taken."""
        if not self._closed:
            self._source.leave(self)
            self.shut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
