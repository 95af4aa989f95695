"""``query.where`` against the recorded queries: what is refused without data is refused with Parse Server's code."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from parsekit.errors import ParseError
from parsekit.query.keys import CLIENT_KEYS, MASTER_KEYS
from parsekit.query.where import check_against_schema, decode_query, encode_query

DATA = Path(__file__).parents[1] / "conformance" / "data"


@cache
def field_types() -> dict[str, dict[str, str]]:
    schemas = json.loads((DATA / "queries.dataset.json").read_text())["schemas"]
    return {schema["className"]: {k: f["type"] for k, f in schema["fields"].items()} for schema in schemas}


def outcome(case: dict[str, Any]) -> int | None:
    """The code with which a case's parameters are refused, or None."""
    types = {"createdAt": "Date", "updatedAt": "Date", **field_types().get(case["className"], {})}
    names = MASTER_KEYS if case["as"] == "master" else CLIENT_KEYS
    try:
        request = decode_query(case["className"], case["params"], special_keys=names)
        check_against_schema(request.state.where, types.get)
    except ParseError as error:
        return error.code
    return None


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / "queries.jsonl").open()]


def answer(case):
    return case["mongo"] if case["basis"] == "split" else case["expect"]


def main():
    bad = 0
    for case in recorded():
        if case["basis"] == "pg" : continue
        exp = answer(case)
        want = exp.get("code")
        got = outcome(case)
        if want in (101, 119) and got is None: continue
        if want == 1 and got: continue
        if got != want:
            bad += 1
            print(case["id"], case["family"], json.dumps(case["params"])[:200], want, got, exp.get("error"))
    print(bad)


if __name__ == "__main__":
    main()
