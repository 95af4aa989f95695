"""Pins and the graph under them, in the file of a local datastore.

The picture: a *node* is an object that some pin reaches, with a row in its class (stored) or known by its id alone. An
*edge* leads from a stored object to each object that it refers to. A pin has *roots*, the objects that were pinned, and
*members*, everything that its roots reach. Members are kept up to date change by change, so that no change costs more
than the part of the graph that it touches::

    an edge or a root is added      its target, and what that reaches beyond the pin's members, become members
    an edge or a root is removed    what the target reaches is on trial: who is a root, or is referred to by a member
                                    that is not on trial, stays, with what it reaches; the rest is no member any more

A node that is no pin's member is dropped by the caller, who knows what else belongs to it (``dropped``). Statements are
constants; values are bound. Everything runs inside ``Store.write()``, but for the questions at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, final

import apsw

from parsekit import attrs
from parsekit.codec import dumps

__all__ = ["LocalGraph", "Node", "Step"]

# CROSS JOIN keeps SQLite to the order in which the tables stand here: from what changes to what it touches
_NODE: Final = "SELECT id, class, object_id, stored, pending FROM _pk_node "
_BY_ID: Final = _NODE + "WHERE class = ? AND object_id = ?"
_BY_NUMBER: Final = _NODE + "WHERE id = ?"
_REACH: Final = (
    "WITH RECURSIVE reached(id) AS (SELECT value FROM json_each(?1) UNION SELECT edge.target FROM reached "
    "CROSS JOIN _pk_edge AS edge ON edge.source = reached.id WHERE NOT EXISTS "
    "(SELECT 1 FROM _pk_member AS member WHERE member.pin = ?2 AND member.node = edge.target)) "
    "INSERT OR IGNORE INTO _pk_member SELECT ?2, id FROM reached"
)
_ON_TRIAL: Final = (
    "WITH RECURSIVE suspect(id) AS (SELECT member.node FROM json_each(?1) AS given "
    "CROSS JOIN _pk_member AS member ON member.pin = ?2 AND member.node = given.value "
    "UNION SELECT edge.target FROM suspect CROSS JOIN _pk_edge AS edge ON edge.source = suspect.id "
    "CROSS JOIN _pk_member AS member ON member.pin = ?2 AND member.node = edge.target) SELECT id FROM suspect"
)
_IS_ROOT: Final = "SELECT 1 FROM _pk_root WHERE pin = ? AND node = ?"
_REFERRED: Final = (
    "SELECT 1 FROM _pk_edge AS edge CROSS JOIN _pk_member AS member ON member.pin = ?1 AND member.node = edge.source "
    "WHERE edge.target = ?2 AND edge.source NOT IN (SELECT value FROM json_each(?3)) LIMIT 1"
)
_FEW: Final = 32
"""So many are asked about one by one, which ends with the first answer; more of them together."""
_ROOTS_AMONG: Final = (
    "SELECT root.node FROM json_each(?1) AS given CROSS JOIN _pk_root AS root "
    "ON root.pin = ?2 AND root.node = given.value"
)
_REFERRED_AMONG: Final = (
    "SELECT DISTINCT edge.target FROM json_each(?1) AS given CROSS JOIN _pk_edge AS edge "
    "ON edge.target = given.value CROSS JOIN _pk_member AS member "
    "ON member.pin = ?2 AND member.node = edge.source "
    "WHERE edge.source NOT IN (SELECT value FROM json_each(?1))"
)
_ORPHANS: Final = (
    "SELECT given.value FROM json_each(?) AS given WHERE NOT EXISTS "
    "(SELECT 1 FROM _pk_member AS member WHERE member.node = given.value)"
)


@final
@attrs.frozen(slots=True)
class Node:
    """An object as the graph knows it. ``pending`` are the operations of an object of which nothing else is here."""

    number: int
    class_name: str
    object_id: str | None
    stored: bool
    pending: str | None


@final
@attrs.frozen(slots=True)
class Step:
    """One object on the way from a pin's root to another object."""

    class_name: str
    object_id: str | None
    number: int


def _node(row: tuple[Any, ...]) -> Node:
    return Node(row[0], row[1], row[2], bool(row[3]), row[4])


def _numbers(rows: Iterable[tuple[Any, ...]]) -> list[int]:
    """The only column of some rows."""
    return [int(number) for (number,) in rows]


@final
class LocalGraph:
    """Reads and changes nodes, edges, pins and members over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._run = connection.execute
        self._connection = connection

    # -- nodes -----------------------------------------------------------------------------------

    def find(self, class_name: str, object_id: str) -> Node | None:
        """The node of a saved object."""
        row = self._run(_BY_ID, (class_name, object_id)).fetchone()
        return None if row is None else _node(row)

    def node(self, number: int) -> Node | None:
        """The node of a number."""
        row = self._run(_BY_NUMBER, (number,)).fetchone()
        return None if row is None else _node(row)

    def add(self, class_name: str, object_id: str | None) -> int:
        """A new node; its number, greater than every earlier one."""
        self._run("INSERT INTO _pk_node (class, object_id) VALUES (?, ?)", (class_name, object_id))
        return self._connection.last_insert_rowid()

    def identify(self, number: int, object_id: str | None) -> None:
        """Give a node its objectId."""
        self._run("UPDATE _pk_node SET object_id = ? WHERE id = ?", (object_id, number))

    def set_stored(self, number: int, stored: bool, pending: str | None = None) -> None:
        """Note whether the object has a row."""
        self._run("UPDATE _pk_node SET stored = ?, pending = ? WHERE id = ?", (stored, pending, number))

    def replace(self, old: int, new: int) -> None:
        """Let ``new`` stand wherever ``old`` did; ``old`` is gone then."""
        for table, column in (
            ("_pk_root", "node"),
            ("_pk_member", "node"),
            ("_pk_edge", "source"),
            ("_pk_edge", "target"),
            ("_pk_related", "owner"),
        ):
            # SAFETY: the names are the ones above
            self._run(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {column} = ?", (new, old))
            self._run(f"DELETE FROM {table} WHERE {column} = ?", (old,))
        self._run("DELETE FROM _pk_node WHERE id = ?", (old,))

    def remove(self, number: int) -> None:
        """Forget a node and what leads from and to it."""
        self._run("DELETE FROM _pk_edge WHERE source = ?", (number,))
        self._run("DELETE FROM _pk_edge WHERE target = ?", (number,))
        self._run("DELETE FROM _pk_related WHERE owner = ?", (number,))
        self._run("DELETE FROM _pk_root WHERE node = ?", (number,))
        self._run("DELETE FROM _pk_member WHERE node = ?", (number,))
        self._run("DELETE FROM _pk_node WHERE id = ?", (number,))

    # -- edges -----------------------------------------------------------------------------------

    def targets(self, source: int) -> set[int]:
        """Whom an object refers to."""
        rows = self._run("SELECT target FROM _pk_edge WHERE source = ?", (source,))
        return set(_numbers(rows))

    def sources(self, target: int) -> list[int]:
        """Who refers to an object."""
        rows = self._run("SELECT source FROM _pk_edge WHERE target = ? ORDER BY source", (target,))
        return _numbers(rows)

    def set_targets(self, source: int, targets: Collection[int]) -> list[int]:
        """Say whom an object refers to; the nodes that no pin reaches any more."""
        before = self.targets(source)
        added, removed = set(targets) - before, before - set(targets)
        if not (added or removed):
            return []
        self._connection.executemany("INSERT INTO _pk_edge VALUES (?, ?)", [(source, t) for t in added])
        self._connection.executemany(
            "DELETE FROM _pk_edge WHERE source = ? AND target = ?", [(source, t) for t in removed]
        )
        dropped: list[int] = []
        for pin in self.pins_of(source):
            if added:
                self._run(_REACH, (dumps(sorted(added)), pin))
            if removed:
                dropped += self._shrink(pin, removed)
        return self._orphans(dropped) if removed else []

    # -- pins ------------------------------------------------------------------------------------

    def pin(self, name: str) -> int | None:
        """The number of a pin, ``None`` when nothing is pinned under the name."""
        found = self._run("SELECT id FROM _pk_pin WHERE name = ?", (name,)).get
        return None if found is None else int(found)

    def pin_or_new(self, name: str) -> int:
        """The number of a pin, which is made when there is none."""
        found = self.pin(name)
        if found is None:
            self._run("INSERT INTO _pk_pin (name) VALUES (?)", (name,))
            found = self._connection.last_insert_rowid()
        return found

    def pins_of(self, number: int) -> list[int]:
        """The pins that reach a node."""
        rows = self._run("SELECT pin FROM _pk_member WHERE node = ?", (number,))
        return _numbers(rows)

    def add_roots(self, pin: int, numbers: Collection[int]) -> None:
        """Pin nodes."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO _pk_root VALUES (?, ?)", [(pin, n) for n in numbers]
        )
        self._run(_REACH, (dumps(list(numbers)), pin))

    def remove_roots(self, pin: int, numbers: Collection[int]) -> list[int]:
        """Unpin nodes; those that no pin reaches any more."""
        self._connection.executemany(
            "DELETE FROM _pk_root WHERE pin = ? AND node = ?", [(pin, n) for n in numbers]
        )
        dropped = self._orphans(self._shrink(pin, numbers))
        if self._run("SELECT 1 FROM _pk_root WHERE pin = ? LIMIT 1", (pin,)).get is None:
            self._run("DELETE FROM _pk_pin WHERE id = ?", (pin,))
        return dropped

    def remove_pin(self, pin: int) -> list[int]:
        """Unpin everything under a pin; the nodes that no pin reaches any more."""
        rows = self._run("SELECT node FROM _pk_member WHERE pin = ?", (pin,)).fetchall()
        self._run("DELETE FROM _pk_root WHERE pin = ?", (pin,))
        self._run("DELETE FROM _pk_member WHERE pin = ?", (pin,))
        self._run("DELETE FROM _pk_pin WHERE id = ?", (pin,))
        return self._orphans(_numbers(rows))

    def unroot(self, number: int) -> list[int]:
        """Unpin a node everywhere; those that no pin reaches any more."""
        dropped: list[int] = []
        for pin in _numbers(self._run("SELECT pin FROM _pk_root WHERE node = ?", (number,)).fetchall()):
            dropped += self.remove_roots(pin, [number])
        return dropped

    def _shrink(self, pin: int, suspects: Iterable[int]) -> list[int]:
        """Take from a pin's members what it no longer reaches, looking at what ``suspects`` reach; what was taken."""
        given = dumps(sorted(suspects))
        trial = _numbers(self._run(_ON_TRIAL, (given, pin)))
        kept = self._held(pin, trial)
        alive = set(kept)
        on_trial = set(trial)
        while kept:
            for target in self.targets(kept.pop()) & on_trial - alive:
                alive.add(target)
                kept.append(target)
        gone = [number for number in trial if number not in alive]
        self._connection.executemany(
            "DELETE FROM _pk_member WHERE pin = ? AND node = ?", [(pin, n) for n in gone]
        )
        return gone

    def _held(self, pin: int, trial: list[int]) -> list[int]:
        """Those on trial that are roots of the pin, or that a member refers to that is not on trial."""
        listed = dumps(trial)
        if len(trial) > _FEW:
            roots = self._run(_ROOTS_AMONG, (listed, pin)).fetchall()
            referred = self._run(_REFERRED_AMONG, (listed, pin)).fetchall()
            return list(dict.fromkeys([*_numbers(roots), *_numbers(referred)]))
        return [
            number
            for number in trial
            if self._run(_IS_ROOT, (pin, number)).get is not None
            or self._run(_REFERRED, (pin, number, listed)).get is not None
        ]

    def _orphans(self, numbers: Iterable[int]) -> list[int]:
        given = dumps(sorted(set(numbers)))
        return _numbers(self._run(_ORPHANS, (given,)).fetchall())

    # -- relations -------------------------------------------------------------------------------

    def relate(self, owner: int, key: str, members: Iterable[tuple[str, str]]) -> None:
        """Note members (class, objectId) of a relation."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO _pk_related VALUES (?, ?, ?, ?)", [(owner, key, *m) for m in members]
        )

    def unrelate(self, owner: int, key: str, members: Iterable[tuple[str, str]]) -> None:
        """Note that these are no members."""
        self._connection.executemany(
            "DELETE FROM _pk_related WHERE owner = ? AND key = ? AND class = ? AND object_id = ?",
            [(owner, key, *m) for m in members],
        )

    def forget_relation(self, owner: int, key: str) -> None:
        """Forget every member of a relation."""
        self._run("DELETE FROM _pk_related WHERE owner = ? AND key = ?", (owner, key))

    def members_of(self, owner: int, key: str) -> list[tuple[str, str]]:
        """The known members of a relation, as (class, objectId)."""
        rows = self._run("SELECT class, object_id FROM _pk_related WHERE owner = ? AND key = ?", (owner, key))
        return [(str(name), str(identity)) for name, identity in rows]

    def owners_of(self, class_name: str, key: str, members: Collection[str]) -> set[str]:
        """The objectIds of the class whose relation ``key`` has one of ``members``."""
        rows = self._run(
            "SELECT node.object_id FROM json_each(?) AS given JOIN _pk_related AS related "
            "ON related.object_id = given.value AND related.key = ? "
            "JOIN _pk_node AS node ON node.id = related.owner WHERE node.class = ?",
            (dumps(sorted(members)), key, class_name),
        )
        return {str(identity) for (identity,) in rows if identity is not None}

    def target_of(self, class_name: str, key: str) -> str | None:
        """The class that the relation ``key`` of a class leads to, as far as members are known."""
        found = self._run(
            "SELECT related.class FROM _pk_related AS related JOIN _pk_node AS node ON node.id = related.owner "
            "WHERE node.class = ? AND related.key = ? LIMIT 1",
            (class_name, key),
        ).get
        return None if found is None else str(found)

    def role_members(self, key: str, class_name: str, member: str) -> list[str]:
        """The objectIds of the roles whose relation ``key`` (``users`` or ``roles``) has a member."""
        rows = self._run(
            "SELECT node.object_id FROM _pk_related AS related JOIN _pk_node AS node ON node.id = related.owner "
            "WHERE related.class = ? AND related.object_id = ? AND related.key = ? AND node.class = '_Role'",
            (class_name, member, key),
        )
        return [str(identity) for (identity,) in rows if identity is not None]

    # -- questions -------------------------------------------------------------------------------

    def pin_names(self) -> list[tuple[str, int, int]]:
        """Each pin with the number of its roots and of its members, in the order in which they were made."""
        rows = self._run(
            "SELECT pin.name, (SELECT count(*) FROM _pk_root WHERE _pk_root.pin = pin.id), "
            "(SELECT count(*) FROM _pk_member JOIN _pk_node ON _pk_node.id = _pk_member.node "
            "WHERE _pk_member.pin = pin.id AND _pk_node.stored) FROM _pk_pin AS pin ORDER BY pin.id"
        )
        return [(str(name), int(roots), int(members)) for name, roots, members in rows]

    def pin_name(self, pin: int) -> str:
        """The name of a pin."""
        return str(self._run("SELECT name FROM _pk_pin WHERE id = ?", (pin,)).get)

    def roots(self, pin: int) -> list[int]:
        """The nodes that were pinned under a pin, in insertion order."""
        rows = self._run("SELECT node FROM _pk_root WHERE pin = ? ORDER BY node", (pin,))
        return _numbers(rows)

    def members(self, pin: int) -> set[int]:
        """Everything that a pin reaches."""
        rows = self._run("SELECT node FROM _pk_member WHERE pin = ?", (pin,))
        return set(_numbers(rows))

    def path(self, pin: int, number: int) -> list[Step]:
        """A shortest way from a root of ``pin`` to a node, both included."""
        after: dict[int, int | None] = {number: None}
        wave = [number]
        while wave:
            following: list[int] = []
            for place in wave:
                if self._run(_IS_ROOT, (pin, place)).get is not None:
                    return self._steps(place, after)
                for source in self.sources(place):
                    if source not in after:
                        after[source] = place
                        following.append(source)
            wave = following
        return []

    def _steps(self, first: int, after: dict[int, int | None]) -> list[Step]:
        steps: list[Step] = []
        place: int | None = first
        while place is not None:
            found = self.node(place)
            assert found is not None
            steps.append(Step(found.class_name, found.object_id, found.number))
            place = after[place]
        return steps

    def all_nodes(self) -> list[int]:
        """Every node."""
        return _numbers(self._run("SELECT id FROM _pk_node ORDER BY id"))
