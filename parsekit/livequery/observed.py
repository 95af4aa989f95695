"""Live results: an ordered, limited list of objects, and counts and sums by group, that follow the data.

They are states, not histories: whoever is slow takes several changes in one step, and nothing can overflow. A list is
asked for anew when something happened to the objects that match, whatever its order, limit or skip, and compared
(``diffs``); so it is always exactly what the query answers. Totals are kept by adding and subtracting what each event
changes (sums of floats exactly, so that they do not drift).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, final

from parsekit import attrs
from parsekit._context import CURRENT, Binding
from parsekit.errors import EngineError, ParseError
from parsekit.livequery.diffs import ListDiff, diff_lists
from parsekit.livequery.events import Occurrence

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.livequery.showing import Projection
    from parsekit.query.state import QueryState
    from parsekit.values import Value

__all__ = ["GroupTotal", "ObservedGroups", "ObservedList"]

_LOG: Final = logging.getLogger("parsekit.livequery")

T = TypeVar("T")
S = TypeVar("S")
H = TypeVar("H", bound=Callable[..., Any])


class _Observed(Generic[S]):
    """What both have in common: being told, waiting, handlers. ``S`` is what a step of changes is given as."""

    def __init__(self, binding: Binding, state: QueryState, leave: Callable[[Any], None]) -> None:
        self.state = state
        self.watch: tuple[str, ...] = ()
        self.projection: Projection | None = None
        self.sequence = 0
        self._binding = binding
        self._leave = leave
        self._changed = threading.Condition(threading.RLock())
        self._dirty = False
        self._closed = False
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None
        self._ready: Callable[[], object] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will change."""
        return self._closed

    def on_ready(self, tell: Callable[[], object]) -> None:
        """Call ``tell()`` whenever there is a change to take with ``next(0)``, and at the end.

        It is called in the thread that committed the change: it must be quick and may not raise.
        """
        self._ready = tell
        if self._dirty or self._closed:
            tell()

    @property
    def principal(self) -> Principal:
        """Under whom the result is."""
        return self._binding.principal

    def _take(self) -> S | None:
        raise NotImplementedError

    def _note(self, occurrence: Occurrence) -> None:
        raise NotImplementedError

    # -- delivery: what the dispatcher calls -------------------------------------------------------

    def deliver(self, occurrence: Occurrence) -> bool:
        """An event of an object that is or was among those that match."""
        if self._closed:
            return False
        with self._changed:
            self._note(occurrence)
            self._dirty = True
            self._changed.notify_all()
        if self._ready is not None:
            self._ready()
        return True

    def fail(self, error: Exception) -> None:
        """The query can no longer be tested; whoever takes the next step is told."""
        self._failure = error
        self.shut()

    def shut(self) -> None:
        """Nothing more will change."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._ready is not None:
            self._ready()

    # -- taking ------------------------------------------------------------------------------------

    def pending(self) -> S | None:
        """What changed since the last step, ``None`` when nothing did. Does not wait."""
        return self.next(0)

    def next(self, timeout: float | None = None) -> S | None:
        """Wait for a change and take it; ``None`` after ``timeout`` seconds without one, or when closed.

        Raises:
            ParseError: the principal may no longer ask the query.
            EngineError: it is a list, and a transaction is under way.
        """
        with self._changed:
            if not self._dirty and timeout != 0:
                self._changed.wait_for(lambda: self._dirty or self._closed, timeout)
            if not self._dirty:
                failure, self._failure = self._failure, None
                if failure is not None:
                    raise failure
                return None
            self._dirty = False
        try:
            return self._take()
        except ParseError:
            raise  # nothing to be had before the next change
        except BaseException:
            self._dirty = True
            raise

    def __iter__(self) -> Iterator[S]:
        """One step of changes after another; ends when closed. Raises as ``next`` does."""
        while not self._closed or self._dirty or self._failure is not None:
            step = self.next()
            if step is not None:
                yield step

    def on_change(self, handler: H) -> H:
        """Call ``handler(step)`` for each step of changes, in a thread of its own, as the principal.

        A handler that raises is reported to the log ``parsekit.livequery`` and called for the next step again.
        """
        if self._thread is not None:
            raise EngineError(
                "observe: it has a handler already; observe the query a second time for another one"
            )
        self._thread = threading.Thread(
            target=self._run, args=(handler,), name="parsekit-observed", daemon=True
        )
        self._thread.start()
        return handler

    def _run(self, handler: Callable[[S], Any]) -> None:
        CURRENT.set(self._binding)
        for step in self:
            try:
                handler(step)
            except Exception as error:  # noqa: BLE001 - the user's code may raise anything, and harms only itself
                _LOG.error("observe %s: %s", self.state.class_name, type(error).__name__, exc_info=error)

    # -- closing -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop following the data."""
        if not self._closed:
            self._leave(self)
            self.shut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@final
class ObservedList(_Observed[ListDiff], Generic[T]):
    """The ordered, limited result of a query, kept current. Made by ``PFQuery.observe()``.

    ``objects`` is the list as of the last step that was taken, ``sequence`` the journal position it stands for.
    """

    def __init__(
        self,
        binding: Binding,
        state: QueryState,
        leave: Callable[[Any], None],
        find: Callable[[], tuple[list[T], int]],
        contents: Callable[[T], Mapping[str, Value]],
        *,
        identity: Callable[[T], Any] = lambda obj: obj,
    ) -> None:
        super().__init__(binding, state, leave)
        self._find = find
        self._contents = contents
        self._identity = identity
        self.objects: list[T] = []

    def begin(self) -> None:
        """Ask for the list the first time."""
        self.objects, self.sequence = self._find()

    def _note(self, occurrence: Occurrence) -> None:
        """That something happened is enough."""

    def _take(self) -> ListDiff | None:
        objects, sequence = self._find()
        diff = diff_lists(self.objects, objects, self._differs, sequence, self._identity)
        self.objects, self.sequence = objects, sequence
        return diff or None

    def _differs(self, old: T, new: T) -> bool:
        return self._contents(old) != self._contents(new)


@final
@attrs.frozen(slots=True)
class GroupTotal:
    """How many objects are in a group, and the sum of the summed key over them (0 without numbers)."""

    count: int
    sum: int | float


_NONE: Final = GroupTotal(0, 0)


@final
class ObservedGroups(_Observed["dict[Any, GroupTotal]"]):
    """Count and sum per value of a key, kept current. Made by ``PFQuery.observe_aggregate()``.

    ``groups`` maps each value (``None`` for objects without one) to its total as of the newest event. A step is the
    same mapping restricted to the groups that changed, empty ones with a count of 0.
    """

    def __init__(
        self,
        binding: Binding,
        state: QueryState,
        leave: Callable[[Any], None],
        group_by: str,
        sum_of: str | None,
    ) -> None:
        super().__init__(binding, state, leave)
        self.group_by = group_by
        self.sum_of = sum_of
        self._parts: dict[str, tuple[Any, int | float]] = {}
        self._counts: dict[Any, int] = {}
        self._sums: dict[Any, int | Fraction] = {}
        self._floats: dict[Any, int] = {}
        self._stale: set[Any] = set()
        self._told: dict[Any, GroupTotal] = {}

    def put(self, object_id: str, fields: Mapping[str, Value] | None) -> None:
        """Count the object as it is now; ``None``: it is no longer among those that match."""
        old = self._parts.pop(object_id, None)
        if old is not None:
            self._add(*old, -1)
        if fields is not None:
            number = fields.get(self.sum_of) if self.sum_of is not None else None
            amount = number if isinstance(number, int | float) and not isinstance(number, bool) else 0
            part = (fields.get(self.group_by), amount)
            self._parts[object_id] = part
            self._add(*part, 1)

    def _add(self, group: Any, amount: int | float, sign: int) -> None:
        self._stale.add(group)
        count = self._counts.get(group, 0) + sign
        if not count:
            for totals in (self._counts, self._sums, self._floats):
                totals.pop(group, None)
            return
        self._counts[group] = count
        if isinstance(amount, float):
            self._floats[group] = self._floats.get(group, 0) + sign
        exact = Fraction(amount) if isinstance(amount, float) else amount
        self._sums[group] = self._sums.get(group, 0) + sign * exact

    def _note(self, occurrence: Occurrence) -> None:
        gone = occurrence.kind in ("leave", "delete")
        self.put(occurrence.object_id, None if gone else occurrence.fields)
        self.sequence = occurrence.sequence

    def _total(self, group: Any) -> GroupTotal:
        total = self._sums.get(group, 0)
        as_float = bool(self._floats.get(group)) or isinstance(total, Fraction)
        return GroupTotal(self._counts.get(group, 0), float(total) if as_float else int(total))

    @property
    def groups(self) -> dict[Any, GroupTotal]:
        """The totals of all groups that have objects."""
        with self._changed:
            return {group: self._total(group) for group in self._counts}

    def begin(self, position: int) -> None:
        """What was counted so far is the state at ``position``."""
        self.sequence = position
        self._stale.clear()
        self._told = self.groups

    def _take(self) -> dict[Any, GroupTotal] | None:
        with self._changed:
            stale, self._stale = self._stale, set()
            step = {group: self._total(group) for group in stale}
            step = {group: total for group, total in step.items() if total != self._told.get(group, _NONE)}
            self._told.update(step)
            return step or None
