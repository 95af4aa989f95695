"""The run: every peer in turn, round by round, answers compared before times are kept.

In a round each peer answers the same calls, one after the other, the order turning from round to round; what a peer
took in a round is the median of its calls. A peer has a budget of time for each workload. One that is slow answers the
first few of a round's calls only, and takes part in fewer rounds; one whose single call exceeds the budget is
measured by that call alone, which the number of its rounds says.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, final

from parsekit import attrs
from parsekit.bench.data import Crm
from parsekit.bench.peer import Peer
from parsekit.bench.result import Figure, Machine, Run
from parsekit.bench.statistics import paired_ratio
from parsekit.bench.workloads import COLD, READS, WRITES, Workload, World

__all__ = ["DisagreementError", "Plan", "cold_starts", "run"]

Tell: TypeAlias = Callable[[str], None]
"""Takes a line about what is being done."""
Figures: TypeAlias = dict[str, Figure]
Missing: TypeAlias = dict[str, str]

_FULLY_COMPARED: Final = 2
"""Calls of each round but the first of which answers are compared; in the first, all are."""


class DisagreementError(AssertionError):
    """A peer answered something else than the floor."""


@final
@attrs.frozen
class Plan:
    """How much is measured: rounds, a peer's budget of seconds for each workload, objects in w10."""

    rounds: int = 9
    budget_s: float = 2.0
    batch: int = 10_000
    cold_starts: int = 5
    only: frozenset[str] = frozenset()
    """Names of workloads, empty for all."""
    every_round: frozenset[str] = frozenset({"parsekit"})
    """Peers that take part in every round, whatever their budget; the floor does in any case."""

    def takes(self, workload: Workload) -> bool:
        """Whether a workload is part of the run."""
        return not self.only or workload.name in self.only


@final
class _Turn:
    """One peer in one workload: what its calls cost so far, and how many of them it can afford."""

    def __init__(self, peer: Peer, workload: Workload, always: bool) -> None:
        self.peer = peer
        self.always = always
        self.call = getattr(peer, workload.method)
        self.per_round: dict[int, float] = {}
        self.calls = 0
        self.spent_s = 0.0
        self.slowest_s = 0.0

    def answer(self, arguments: Sequence[tuple[Any, ...]], share_s: float) -> list[tuple[float, Any]]:
        """Time and answer of call after call, until ``share_s`` are spent; at least one.

        Who takes part in every round has its first call, which warms up, beside its share.
        """
        call, clock = self.call, time.perf_counter
        done: list[tuple[float, Any]] = []
        spent_s = 0.0
        for each in arguments:
            start = clock()
            answer = call(*each)
            elapsed_s = clock() - start
            done.append((elapsed_s, answer))
            self.spent_s += elapsed_s
            spent_s += 0.0 if self.always and len(done) == 1 else elapsed_s
            if spent_s > share_s:
                break
        return done

    def can_afford(self, plan: Plan) -> bool:
        """Whether the peer takes part in the next round."""
        return self.always or self.spent_s + self.slowest_s <= plan.budget_s

    def keep(self, number: int, times_s: Sequence[float]) -> None:
        """Remember a round."""
        self.per_round[number] = statistics.median(times_s)
        self.calls += len(times_s)


def run(peers: Sequence[Peer], crm: Crm, plan: Plan, tell: Tell) -> Run:
    """Ask loaded peers every workload of a plan; the first peer is the floor.

    Raises:
        DisagreementError: a peer's answer is not the floor's.
    """
    at = Run.now()
    gc.collect()
    gc.freeze()  # what peers that live in memory hold is no burden to the garbage collection of the others
    figures: dict[str, Figures] = {}
    missing: dict[str, Missing] = {}
    try:
        for place, workload in enumerate((*READS, *WRITES)):
            if plan.takes(workload):
                world = World(crm, place, plan.batch)
                figures[workload.name], missing[workload.name] = _measured(peers, workload, world, plan)
                tell(f"{workload.name}: {_line(figures[workload.name])}")
    finally:
        gc.unfreeze()
    if plan.takes(COLD):
        figures[COLD.name], missing[COLD.name] = cold_starts(peers, World(crm), plan.cold_starts)
        tell(f"{COLD.name}: {_line(figures[COLD.name])}")
    versions = {peer.name: peer.version for peer in peers}
    return Run(crm.deals, plan.batch, at, Machine.here(), versions, figures, missing)


def _line(figures: Mapping[str, Figure]) -> str:
    return ", ".join(f"{peer} {figure.ratio.median:.3g}" for peer, figure in figures.items())


def _measured(peers: Sequence[Peer], workload: Workload, world: World, plan: Plan) -> tuple[Figures, Missing]:
    missing = {peer.name: peer.lacks[workload.method] for peer in peers if workload.method in peer.lacks}
    always = plan.every_round | {peers[0].name}
    turns = [_Turn(peer, workload, peer.name in always) for peer in peers if peer.name not in missing]
    rounds = min(plan.rounds, workload.rounds or plan.rounds)
    for number in range(rounds):
        arguments = [workload.arguments(world) for _ in range(workload.calls)]
        able = [turn for turn in turns if turn.can_afford(plan)]
        _round(number, able, workload, arguments, plan.budget_s / rounds)
    floor = turns[0].per_round
    figures = {}
    for turn in turns:
        shared = sorted(turn.per_round.keys() & floor.keys())
        times_s = [turn.per_round[each] for each in shared]
        ratio = paired_ratio(times_s, [floor[each] for each in shared])
        figures[turn.peer.name] = Figure(statistics.median(times_s), ratio, turn.calls)
    return figures, missing


def _round(
    number: int,
    turns: Sequence[_Turn],
    workload: Workload,
    arguments: Sequence[tuple[Any, ...]],
    share_s: float,
) -> None:
    """All of some peers once: the floor and the one after it together, either first in turn, then the others."""
    floor, pair, others = turns[0], list(turns[:2]), list(turns[2:])
    shift = number % len(others) if others else 0
    if number % 2:
        pair.reverse()
    order = [*pair, *others[shift:], *others[:shift]]
    answers: dict[str, list[Any]] = {}
    compared = len(arguments) if number == 0 else _FULLY_COMPARED
    for turn in order:
        done = turn.answer(arguments, share_s)
        times_s = [elapsed_s for elapsed_s, _ in done]
        turn.keep(number, times_s[1:] or times_s)  # the first call of a round warms up
        turn.slowest_s = max(turn.slowest_s, *times_s)
        answers[turn.peer.name] = [
            workload.plain(turn.peer, answer, each)
            for (_, answer), each in zip(done[:compared], arguments, strict=False)
        ]
    expected = answers[floor.peer.name]
    for name, given in answers.items():
        _compare(workload, floor.peer.name, name, expected, given)


def _compare(
    workload: Workload, floor: str, name: str, expected: Sequence[Any], given: Sequence[Any]
) -> None:
    for place, (right, answer) in enumerate(zip(expected, given, strict=False)):
        if right != answer:
            raise DisagreementError(
                f"{workload.name} {workload.title}, call {place + 1}: {name} answered {_short(answer)}, "
                f"{floor} {_short(right)}"
            )


def _short(answer: Any) -> str:
    text = repr(answer)
    return text if len(text) <= 300 else f"{text[:300]}... ({len(text):,} characters)"


def cold_starts(peers: Sequence[Peer], world: World, rounds: int) -> tuple[Figures, Missing]:
    """w14: the time of whole processes, after one round that nobody counts.

    The processes find bytecode, as those of installed packages do: where this one was told to write none, theirs is
    written in that first round to a folder that goes afterwards.

    Raises:
        DisagreementError: a process printed something else than the floor's.
    """
    programs = {peer.name: peer.cold_program() for peer in peers}
    missing = {name: "keeps nothing in a file" for name, program in programs.items() if program is None}
    commands = {
        name: [sys.executable, "-c", *program] for name, program in programs.items() if program is not None
    }
    times_s: dict[str, list[float]] = {name: [] for name in commands}
    floor = peers[0].name
    with tempfile.TemporaryDirectory(prefix="parsekit-bytecode-") as folder:
        environment = _with_bytecode(os.environ, folder)
        for number in range(rounds + 1):
            deal = world.deal()
            printed = {}
            for name, command in commands.items():
                start = time.perf_counter()
                printed[name] = _printed([*command, deal], environment)
                if number:
                    times_s[name].append(time.perf_counter() - start)
            for name, title in printed.items():
                _compare(COLD, floor, name, [printed[floor]], [title])
    figures = {
        name: Figure(statistics.median(taken_s), paired_ratio(taken_s, times_s[floor]), rounds)
        for name, taken_s in times_s.items()
    }
    return figures, missing


def _with_bytecode(environment: Mapping[str, str], folder: str) -> dict[str, str]:
    if "PYTHONDONTWRITEBYTECODE" not in environment:
        return dict(environment)
    kept = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}


def _printed(command: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=120, env=dict(environment)
    )
    return done.stdout.strip()
