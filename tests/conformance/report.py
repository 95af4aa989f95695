"""Prints, per topic, how many steps of the recorded scenarios are answered exactly.

``python -m tests.conformance.report [-v] [topic or scenario id ...]``; ``-v`` shows each step that is not.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter

from tests.conformance.replay import Step, load_scenarios, replay


def main(arguments: list[str]) -> int:
    verbose = "-v" in arguments
    wanted = {name for name in arguments if name != "-v"}
    steps: Counter[str] = Counter()
    exact: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    for scenario in load_scenarios():
        topic = scenario["topic"]
        if wanted and topic not in wanted and scenario["id"] not in wanted:
            continue
        steps[topic] += len(scenario["steps"])
        try:
            outcome = replay(scenario)
        except Exception:  # noqa: BLE001 - a report goes on after a scenario that broke
            outcome = [Step(-1, "broken", traceback.format_exc(limit=-3 if verbose else -1))]
        exact[topic] += sum(step.problem is None for step in outcome)
        texts[topic] += sum(step.problem is None and step.text_differs for step in outcome)
        for step in outcome:
            if verbose and step.problem:
                print(f"{scenario['id']} {topic} #{step.number} {step.request}\n    {step.problem}")
    for topic in sorted(steps):
        print(f"{topic:18} {exact[topic]:4}/{steps[topic]:<4} other text: {texts[topic]}")
    print(f"{'all':18} {exact.total():4}/{steps.total():<4} other text: {texts.total()}")
    return 0 if exact.total() == steps.total() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
