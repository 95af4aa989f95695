"""What a principal may see of a class, ready to be asked for each change.

Everything here is the policy's answer (``acl.policy``) in a form that is quick to ask: the ids that an ACL may name,
the pointer permissions as a predicate, the fields to strip. A principal whom the class refuses sees nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import final

from parsekit.acl.acl import readers
from parsekit.acl.policy import Access, visible
from parsekit.acl.principal import Principal
from parsekit.livequery.events import Fields
from parsekit.query.dialect import Dialect
from parsekit.query.matcher import Predicate, compile_predicate

__all__ = ["Rights", "readers_of"]

_NOBODY: frozenset[str] = frozenset()


def readers_of(fields: Fields | None) -> frozenset[str]:
    """Whom an object's ACL lets read it."""
    return _NOBODY if fields is None else readers(fields.get("ACL"))


@final
class Rights:
    """One principal's rights to read one class as of now; ``access`` ``None``: the class refuses the principal.

    Rights with the same ``lens`` show the same of every object.
    """

    __slots__ = ("access", "conjunct", "ids", "lens", "principal")

    def __init__(self, principal: Principal, ids: frozenset[str] | None, access: Access | None) -> None:
        self.principal = principal
        self.access = access
        # SAFETY: without ids no ACL is tested; the view gives none to masters alone.
        self.ids = None if access is None or access.acl is None else ids
        self.conjunct: Predicate | None = None
        if access is not None and access.conjunct is not None:
            self.conjunct = compile_predicate(access.conjunct, Dialect.SERVER)
        self.lens: Hashable = self._lens()

    def _lens(self) -> Hashable:
        access = self.access
        if access is None or access.shows_everything:
            return self.principal.kind == "maintenance"
        by_object = access.hidden_by_owner or access.class_name == "_User"
        return (access, self.principal if by_object else self.principal.user_id is None)

    def same_as(self, other: Rights) -> bool:
        """Whether both see the same objects and the same of them."""
        return self.access == other.access and self.ids == other.ids

    def sees(self, fields: Fields, allowed: frozenset[str]) -> bool:
        """Whether the principal may see the object; ``allowed`` is ``readers_of`` it."""
        if self.access is None:
            return False
        if self.ids is not None and allowed.isdisjoint(self.ids):
            return False
        return self.conjunct is None or self.conjunct(fields)

    def shown(self, fields: Fields) -> Fields:
        """The object without what the principal does not see; nothing of it without access."""
        return {} if self.access is None else visible(fields, self.access, self.principal)
