"""``Viewers``: which of all who listen to a class may see an object, asked once per image instead of once each.

Rights are kept by the ids that an ACL may name, so that the answer costs what the ACL names, not the number of
principals. Rights with pointer permissions are asked one by one.
"""

from __future__ import annotations

from typing import Final, TypeAlias, final

from parsekit.acl.acl import PUBLIC
from parsekit.livequery.events import Fields
from parsekit.livequery.rights import Rights

__all__ = ["NOBODY", "Seeing", "Viewers"]

Seeing: TypeAlias = set[Rights] | frozenset[Rights]

NOBODY: Final[frozenset[Rights]] = frozenset()


@final
class Viewers:
    """The rights of everybody who listens to one class."""

    __slots__ = ("_by_id", "_conditional", "_everybody", "_unbound")

    def __init__(self) -> None:
        self._everybody: set[Rights] = set()
        self._unbound: set[Rights] = set()
        self._by_id: dict[str, set[Rights]] = {}
        self._conditional: set[Rights] = set()

    def add(self, rights: Rights) -> None:
        """Somebody listens."""
        if rights.access is None:
            return
        if rights.conjunct is not None:
            self._conditional.add(rights)
            return
        self._everybody.add(rights)
        if rights.ids is None:
            # SAFETY: only masters are without ids; no ACL applies to them.
            self._unbound.add(rights)
            return
        for identity in rights.ids:
            self._by_id.setdefault(identity, set()).add(rights)

    def discard(self, rights: Rights) -> None:
        """Nobody with these rights listens any more."""
        self._conditional.discard(rights)
        self._everybody.discard(rights)
        self._unbound.discard(rights)
        for identity in rights.ids or ():
            holders = self._by_id.get(identity)
            if holders is not None:
                holders.discard(rights)
                if not holders:
                    del self._by_id[identity]

    @property
    def by_acl_alone(self) -> bool:
        """Whether nothing but an object's ACL decides who may see it."""
        return not self._conditional

    def of(self, fields: Fields, allowed: frozenset[str]) -> Seeing:
        """Who may see the object, whose ACL lets ``allowed`` read it. Not to be changed, nor kept."""
        if PUBLIC in allowed:  # everybody with ids goes by this one, too
            found: Seeing = self._everybody
        else:
            by_id = self._by_id
            found = self._unbound.union(*[by_id[identity] for identity in allowed if identity in by_id])
        if self._conditional:
            found = found | {rights for rights in self._conditional if rights.sees(fields, allowed)}
        return found
