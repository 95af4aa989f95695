"""Which peers there are, and what each needs; a peer is imported when it takes part, not before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, final

import attrs

from parsekit.bench.peer import Peer

__all__ = ["ALL", "DOCUMENTS", "SQL", "Entry", "NotThereError", "make", "named"]


class NotThereError(RuntimeError):
    """A peer cannot take part on this machine; the message says what is missing and how to get it."""


@final
@attrs.frozen
class Entry:
    """A peer: its name, the module and class, and what it stands for in a plot's legend."""

    name: str
    module: str
    type: str
    label: str


SQL: Final[Sequence[Entry]] = (
    Entry("apsw, best plan", "best_plan", "BestPlan", "raw SQLite, best plan"),
    Entry("sqlite-utils", "sqlite_utils_dicts", "SqliteUtils", "sqlite-utils (dicts)"),
    Entry("sqlalchemy-core", "sqlalchemy_core", "SqlalchemyCore", "SQLAlchemy Core"),
    Entry("sqlalchemy-orm", "sqlalchemy_orm", "SqlalchemyOrm", "SQLAlchemy ORM"),
    Entry("peewee", "peewee_orm", "Peewee", "peewee"),
    Entry("django", "django_orm", "Django", "Django ORM"),
)
"""Peers over SQLite: fast enough for any scale."""

DOCUMENTS: Final[Sequence[Entry]] = (
    Entry("mongomock", "mongomock_memory", "Mongomock", "mongomock (memory)"),
    Entry("tinydb", "tinydb_memory", "Tinydb", "TinyDB (memory)"),
    Entry("parse-mockdb", "parse_mockdb", "ParseMockdb", "parse-mockdb (Node, memory)"),
    Entry("parse-server", "parse_server", "ParseServer", "Parse Server on PostgreSQL (HTTP)"),
)
"""Document stores and Parse servers; measured at 10,000 deals, since most scan."""

ALL: Final[Sequence[Entry]] = (*SQL, *DOCUMENTS)


def named(names: Iterable[str]) -> list[Entry]:
    """The entries of some names, in the order of ``ALL``.

    Raises:
        KeyError: there is no such peer.
    """
    wanted = set(names)
    found = [entry for entry in ALL if entry.name in wanted]
    unknown = wanted - {entry.name for entry in found}
    if unknown:
        raise KeyError(f"no such peer: {sorted(unknown)}; there are {[entry.name for entry in ALL]}")
    return found


def make(entry: Entry, folder: Path) -> Peer:
    """A peer with its file in ``folder``.

    Raises:
        NotThereError: what it needs is not installed.
    """
    try:
        module: Any = import_module(f"benchmarks.peers.{entry.module}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("benchmarks"):
            raise
        raise NotThereError(
            f"{entry.name}: the package {error.name} is not installed. Install: pip install --group bench"
        ) from None
    peer: Peer = getattr(module, entry.type)(folder / f"{entry.module}.db")
    return peer
