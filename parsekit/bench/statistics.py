"""Paired ratios: what is said of a peer's times next to the floor's of the same round.

A machine's speed drifts by the minute, but the halves of a round see the same weather. So each round gives a ratio, and
the median of the rounds' ratios is what counts; its interval comes from drawing the rounds again (a bootstrap).
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Final, final

from parsekit import attrs

__all__ = ["Ratio", "paired_ratio"]

_DRAWS: Final = 1_000
_TAIL: Final = 0.025


@final
@attrs.frozen
class Ratio:
    """The median of the rounds' ratios, and the interval that holds it with 95 % confidence."""

    median: float
    low: float
    high: float
    rounds: int


def paired_ratio(peer_s: Sequence[float], floor_s: Sequence[float], seed: int = 1) -> Ratio:
    """The ratio of two series of times that were measured in the same rounds, one time a round.

    Raises:
        ValueError: there is no round, or the series have different lengths.
    """
    if not peer_s or len(peer_s) != len(floor_s):
        raise ValueError(
            f"paired times: {len(peer_s)} and {len(floor_s)} rounds; expected as many, at least one"
        )
    ratios = [peer / floor for peer, floor in zip(peer_s, floor_s, strict=True)]
    source = random.Random(seed)
    drawn = sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(_DRAWS))
    low, high = drawn[int(_TAIL * _DRAWS)], drawn[int((1 - _TAIL) * _DRAWS) - 1]
    return Ratio(statistics.median(ratios), low, high, len(ratios))
