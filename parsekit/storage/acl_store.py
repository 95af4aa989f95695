"""The dictionary of ACLs: each distinct ACL is stored once, rows carry its number.

A permission is then one integer test: ``substr(:map, _acl + 1, 1) = x'01'`` with a byte per ACL that says whether the
principal may read (or write). Number 0 is "no ACL", which is public. A map is kept per set of principal ids in a
bounded cache and extended when new ACLs appear; a number past a map's end reads as denied.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Final, Literal, TypeAlias

import apsw

from parsekit.codec import dumps, loads
from parsekit.values import Value

__all__ = ["NO_ACL", "Access", "AclStore", "grants_of"]

NO_ACL: Final = 0
Access: TypeAlias = Literal["read", "write"]
_ACCESS: Final[dict[str, int]] = {"read": 0, "write": 1}
_MAPS: Final = 256
_ENTRIES: Final = 10_000


class AclStore:
    """ACL numbers, and who may do what by them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._entries: dict[int, Value] = {}
        self._texts: dict[int, str] = {}
        self._maps: OrderedDict[tuple[frozenset[str], int], bytes] = OrderedDict()
        self._lock = Lock()
        self._greatest = -1
        self._pending = False

    def committed(self) -> None:
        """The ACLs numbered in the write transaction that just committed are there for everybody now."""
        if self._pending:
            self._pending = False
            self._greatest = -1

    def forget(self) -> None:
        """Drop everything cached: another process changed ACLs, or a transaction was rolled back."""
        with self._lock:
            self._numbers.clear()
            self._entries.clear()
            self._texts.clear()
            self._maps.clear()
            self._greatest = -1
            self._pending = False

    def number_of(self, connection: apsw.Connection, text: str | None) -> tuple[int, bool]:
        """The number of a canonical ACL text and whether it is new. Inside a write transaction."""
        if text is None:
            return NO_ACL, False
        number = self._numbers.get(text)
        if number is not None:
            return number, False
        found = connection.execute("SELECT id FROM _pk_acl WHERE acl = ?", (text,)).get
        new = found is None
        if new:
            found = connection.execute("INSERT INTO _pk_acl (acl) VALUES (?) RETURNING id", (text,)).get
            connection.executemany(
                "INSERT INTO _pk_acl_grant VALUES (?, ?, ?)", list(grants_of(text, int(found)))
            )
        number = int(found)
        if len(self._numbers) >= _ENTRIES:
            self._numbers.clear()
        self._numbers[text] = number
        self._pending = self._pending or new
        return number, new

    def entry(self, connection: apsw.Connection, number: int) -> Value:
        """The ACL of a number as JSON, ``None`` for ``NO_ACL``. Do not change what comes back."""
        if number == NO_ACL:
            return None
        entry = self._entries.get(number)
        if entry is None:
            entry = loads(self.text(connection, number) or "")
            if len(self._entries) >= _ENTRIES:
                self._entries.clear()
            self._entries[number] = entry
        return entry

    def text(self, connection: apsw.Connection, number: int) -> str | None:
        """The JSON text of the ACL of a number, ``None`` for ``NO_ACL``."""
        if number == NO_ACL:
            return None
        text = self._texts.get(number)
        if text is None:
            text = str(connection.execute("SELECT acl FROM _pk_acl WHERE id = ?", (number,)).get)
            if len(self._texts) >= _ENTRIES:
                self._texts.clear()
            self._texts[number] = text
        return text

    def map_for(
        self, connection: apsw.Connection, principals: frozenset[str], access: Access, *, in_write: bool
    ) -> bytes:
        """The byte map of what ``principals`` together may do.

        ``in_write`` tells that ``connection`` is the writer inside its transaction, which may see ACLs that
        nobody else sees yet: its map is then made for this call alone.
        """
        key = (principals, _ACCESS[access])
        if in_write and self._pending:
            return self._extend(connection, key, b"\x01", _greatest(connection))
        found = self._maps.get(key)
        if found is not None and len(found) > self._greatest >= 0:
            return found
        with self._lock:
            if self._greatest < 0:
                self._greatest = _greatest(connection)
            result = self._extend(connection, key, self._maps.get(key, b"\x01"), self._greatest)
            self._maps[key] = result
            self._maps.move_to_end(key)
            if len(self._maps) > _MAPS:
                self._maps.popitem(last=False)
            return result

    def _extend(
        self, connection: apsw.Connection, key: tuple[frozenset[str], int], known: bytes, greatest: int
    ) -> bytes:
        fresh = bytearray(known) + bytearray(max(0, greatest + 1 - len(known)))
        rows = connection.execute(
            "SELECT acl FROM _pk_acl_grant WHERE principal IN (SELECT value FROM json_each(?)) "
            "AND access = ? AND acl BETWEEN ? AND ?",
            (dumps(sorted(key[0])), key[1], len(known), greatest),
        )
        for (number,) in rows:
            fresh[number] = 1
        return bytes(fresh)


def _greatest(connection: apsw.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM _pk_acl").get)


def grants_of(text: str, number: int) -> Iterable[tuple[str, int, int]]:
    """The rows (principal, access, ACL number) that stand for an ACL in the table of grants."""
    for principal, rights in loads(text).items():
        for access, code in _ACCESS.items():
            if rights.get(access):
                yield principal, code, number
