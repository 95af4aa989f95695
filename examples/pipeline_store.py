"""State management over ``observe()``: a store that holds a live pipeline, for whatever draws it.

The template: "Integrate the SDK with your app's state layer (e.g. context, store, or services) for pipeline and
contact state." Here the state is the ordered first deals of each stage and the totals of the board. Whoever draws
subscribes to the store and gets each new state; nobody queries, and nobody merges changes by hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

import crm_schema
import parsekit
from parsekit import PFObject, PFQuery, PFUser

STAGES = ("lead", "qualified", "proposal", "won")


class Column(NamedTuple):
    """One stage of the board."""

    deals: tuple[Any, ...]
    count: int
    amount: float


Pipeline = Mapping[str, Column]
Listener = Callable[[Pipeline], Any]


class PipelineStore:
    """Holds the pipeline of the principal in force, as an immutable state that is replaced when something changes."""

    def __init__(self, stages: tuple[str, ...] = STAGES, limit: int = 50) -> None:
        self._changed = threading.Condition()
        self._listeners: list[Listener] = []
        self._lists = {
            stage: PFQuery("Deal")
            .where_key("stage", equal_to=stage)
            .order_by_ascending("expectedCloseDate")
            .limit(limit)
            .observe()
            for stage in stages
        }
        self._totals = PFQuery("Deal").observe_aggregate(group_by="stage", sum_of="amount")
        self.version = 0
        self.state: Pipeline = self._drawn()
        for observed in (*self._lists.values(), self._totals):
            observed.on_change(self._renew)

    def _drawn(self) -> Pipeline:
        groups = self._totals.groups
        return MappingProxyType(
            {
                stage: Column(
                    tuple(observed.objects),
                    groups[stage].count if stage in groups else 0,
                    groups[stage].sum if stage in groups else 0,
                )
                for stage, observed in self._lists.items()
            }
        )

    def _renew(self, _: object) -> None:
        with self._changed:
            self.state = self._drawn()
            self.version += 1
            self._changed.notify_all()
            listeners, state = list(self._listeners), self.state
        for listener in listeners:
            listener(state)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with the state now and whenever it changes; what ends that."""
        with self._changed:
            self._listeners.append(listener)
        listener(self.state)
        return lambda: self._listeners.remove(listener)

    def wait_for(self, holds: Callable[[Pipeline], bool], timeout: float) -> bool:
        """Wait until the state is as wanted."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self.state), timeout)

    def move(self, deal: PFObject, stage: str) -> None:
        """An action: it only writes; the state follows by itself."""
        deal["stage"] = stage
        deal.save()

    def close(self) -> None:
        """Stop following."""
        for observed in (*self._lists.values(), self._totals):
            observed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def rows(state: Pipeline) -> dict[str, list[str]]:
    """What each column shows."""
    return {
        stage: [f"{deal['title']}  {deal.get('amount') or 0:g}" for deal in column.deals]
        for stage, column in state.items()
    }


def title(stage: str, state: Pipeline) -> str:
    return f"{stage}: {state[stage].count} ({state[stage].amount:g})"


def line(state: Pipeline) -> str:
    """A state as one line of text."""
    return "  ".join(f"{stage} {column.count} ({column.amount:g})" for stage, column in state.items())


if __name__ == "__main__":
    with parsekit.open(schema=crm_schema.SCHEMA):
        PFUser.sign_up("ada", password="correct horse")
        with PipelineStore() as store:
            renewal = PFObject("Deal", title="Renewal", stage="lead", amount=1200)
            renewal.save()
            store.wait_for(lambda state: state["lead"].count == 1 and len(state["lead"].deals) == 1, 10)
            print(line(store.state))
            store.move(renewal, "won")
            store.wait_for(lambda state: len(state["won"].deals) == 1 and not state["lead"].deals, 10)
            print(line(store.state))
