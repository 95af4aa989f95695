"""Writes ``docs/fidelity.md`` and the table in the README: the share of recorded answers that parsekit gives.

Every recorded case that counts is a test, and every exception is a strict known gap, so both follow from the corpora
and the gap lists alone; ``test_fidelity.py`` keeps them current. ``python -m tests.conformance.fidelity``
rewrites them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.conformance.dataset import load_cases, load_json
from tests.conformance.known_gaps import QUERY_GAPS, SCENARIO_GAPS
from tests.conformance.test_queries import COUNTING
from tests.query.test_matcher_corpus import REFUSED_ON_READING

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "fidelity.md"
README = ROOT / "README.md"
OPERATORS = [
    "equality",
    "$ne",
    "$lt",
    "$lte",
    "$gt",
    "$gte",
    "$in",
    "$nin",
    "$all",
    "$containedBy",
    "$exists",
    "$regex",
    "$text",
    "$nearSphere",
    "$within",
    "$geoWithin",
    "$geoIntersects",
    "$inQuery",
    "$notInQuery",
    "$select",
    "$dontSelect",
    "$relatedTo",
    "$relativeTime",
    "$or",
    "$and",
    "$nor",
]
_TOP = {"$or", "$and", "$nor", "$relatedTo"}


def operators_in(where: Any) -> set[str]:
    """The operators of a ``where`` as REST writes it."""
    found: set[str] = set()
    if not isinstance(where, dict):
        return found
    for key, value in where.items():
        if key in _TOP:
            found.add(key)
            for part in value if isinstance(value, list) else []:
                found |= operators_in(part)
        elif isinstance(value, dict) and any(str(name).startswith("$") for name in value):
            found |= {name for name in value if name in OPERATORS}
            found |= {"$relativeTime"} if "$relativeTime" in json.dumps(value) else set()
        elif not key.startswith("$"):
            found.add("equality")
    return found


def _share(total: int, gaps: int) -> str:
    return "-" if not total else f"{total - gaps} of {total}"


def _families(cases: Iterable[dict[str, Any]], gaps: Iterable[str], key: str = "family") -> Iterator[str]:
    known = set(gaps)
    totals = Counter(case[key] for case in cases)
    missed = Counter(case[key] for case in cases if case["id"] in known)
    yield from (f"| {name} | {_share(totals[name], missed[name])} |" for name in sorted(totals))


def _operator_rows() -> Iterator[str]:
    matcher = load_cases("matcher.jsonl")
    local = [case for case in load_cases("ios_offline.jsonl") if case["kind"] == "query"]
    for operator in OPERATORS:
        sql = [case for case in COUNTING if operator in operators_in(case["params"].get("where"))]
        rows = [case for case in matcher if operator in operators_in(case["where"])]
        ios = [case for case in local if operator in operators_in(case["where"])]
        cells = (
            _share(len(rows), sum(case["id"] in REFUSED_ON_READING for case in rows)),
            _share(len(sql), sum(case["id"] in QUERY_GAPS for case in sql)),
            _share(len(ios), 0),
        )
        yield f"| `{operator}` | {' | '.join(cells)} |"


def _scenario_rows() -> Iterator[str]:
    totals: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for scenario in load_json("scenarios.json")["scenarios"]:
        totals[scenario["topic"]] += len(scenario["steps"])
        missed[scenario["topic"]] += sum(name == scenario["id"] for name, _ in SCENARIO_GAPS)
    yield from (f"| {topic} | {_share(totals[topic], missed[topic])} |" for topic in sorted(totals))


def summary() -> list[str]:
    """The table of all corpora."""
    local = load_cases("ios_offline.jsonl")
    steps = sum(len(item["steps"]) for item in load_json("scenarios.json")["scenarios"])
    matcher, refused = load_cases("matcher.jsonl"), REFUSED_ON_READING
    return [
        "| recorded | answered exactly |",
        "|---|---|",
        f"| queries of Parse Server, through SQL | {_share(len(COUNTING), len(QUERY_GAPS))} |",
        f"| steps of write, permission, user and schema scenarios | {_share(steps, len(SCENARIO_GAPS))} |",
        f"| (object, where) pairs, the matcher against the database | {_share(len(matcher), len(refused))} |",
        f"| queries of the iOS local datastore | {_share(sum(c['kind'] == 'query' for c in local), 0)} |",
        f"| field operations of the iOS SDK | {_share(sum(c['kind'] == 'op' for c in local), 0)} |",
    ]


def readme() -> str:
    """README.md with the table of all corpora as it is now."""
    head, _, rest = README.read_text(encoding="utf-8").partition("<!-- fidelity -->\n")
    tail = rest.partition("<!-- /fidelity -->")[2]
    table = "\n".join(summary())
    return f"{head}<!-- fidelity -->\n{table}\n<!-- /fidelity -->{tail}"


def page() -> str:
    """The page's text."""
    lines = [
        "# Fidelity",
        "",
        "Generated by `python -m tests.conformance.fidelity` from the recorded corpora and the lists of known gaps;",
        "every case is a test, every gap a strict one (`tests/conformance/known_gaps.py` has the reasons).",
        "",
        *summary(),
        "",
        "## By operator",
        "",
        "| operator | matcher | SQL | iOS dialect |",
        "|---|---|---|---|",
        *_operator_rows(),
        "",
        "A dash: the corpus has no case. (iOS refuses `$text`, `$geoWithin` and `$geoIntersects` offline.)",
        "",
        "## Queries by family",
        "",
        "| family | answered exactly |",
        "|---|---|",
        *_families(COUNTING, QUERY_GAPS),
        "",
        "## Scenario steps by topic",
        "",
        "| topic | answered exactly |",
        "|---|---|",
        *_scenario_rows(),
        "",
        "## Local datastore by family",
        "",
        "| family | answered exactly |",
        "|---|---|",
        *_families(load_cases("ios_offline.jsonl"), ()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    README.write_text(readme(), encoding="utf-8")
