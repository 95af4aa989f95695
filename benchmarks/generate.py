"""``generate``: the CRM as JSON Lines, one object a line in Parse's form, for ``parsekit import`` or other readers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from parsekit.bench.data import Crm, Row
from parsekit.bench.engine import TARGETS

__all__ = ["add_arguments", "fields_of", "objects", "write"]

_STEP: Final = 10_000


def objects(crm: Crm) -> Iterator[dict[str, Any]]:
    """Every object in Parse's form, companies first."""
    acls = crm.acls()
    for class_name, rows in (
        ("Company", crm.company_rows()),
        ("Contact", crm.contact_rows()),
        ("Deal", crm.deal_rows()),
        ("Activity", crm.activity_rows()),
    ):
        for row in rows:
            yield {"className": class_name, **fields_of(row, acls)}


def fields_of(row: Row, acls: list[dict[str, dict[str, bool]]]) -> dict[str, Any]:
    """A row in Parse's form; its ACL from ``acls``."""
    fields: dict[str, Any] = {}
    for key, value in row.items():
        if key == "acl":
            fields["ACL"] = acls[value]
        elif key in TARGETS:
            fields[key] = {"__type": "Pointer", "className": TARGETS[key], "objectId": value}
        elif isinstance(value, datetime):
            fields[key] = {"__type": "Date", "iso": f"{value:%Y-%m-%dT%H:%M:%S}.000Z"}
        else:
            fields[key] = value
    return fields


def write(crm: Crm, file: Path, told: Callable[[int], None]) -> int:
    """Write the objects one by one; ``told`` hears how many there are, now and then. How many there were."""
    count = 0
    with file.open("w", encoding="utf-8") as lines:
        for count, obj in enumerate(objects(crm), 1):
            lines.write(json.dumps(obj, separators=(",", ":")) + "\n")
            if count % _STEP == 0:
                told(count)
    return count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``generate``."""
    parser.add_argument("file", type=Path, help="the .jsonl file to write")
    parser.add_argument("--deals", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(action=_generate)


def _generate(options: argparse.Namespace) -> int:
    crm = Crm(options.deals, options.seed)
    total = crm.companies + crm.contacts + crm.deals + crm.activities
    terminal = sys.stderr.isatty()

    def told(count: int) -> None:
        if terminal:
            sys.stderr.write(f"\r{count:,} of {total:,} objects")

    count = write(crm, options.file, told)
    sys.stderr.write(f"{chr(13) if terminal else ''}{count:,} objects written to {options.file}\n")
    return 0
