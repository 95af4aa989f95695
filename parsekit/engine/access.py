"""Why? The reasons for which a principal may or may not do something, out of the policy itself.

``explain_access`` is about one object and may be asked by anybody about what they may read; which roles somebody
has is told to that user and to masters. ``explain_find`` tells how many objects a query hides and through what;
as the numbers tell of existence, only a master may ask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, final

from parsekit import attrs
from parsekit.acl.clp import Operation
from parsekit.acl.explain import AccessExplanation, explain_access, explain_each
from parsekit.acl.principal import Principal
from parsekit.acl.system import forbidden
from parsekit.codec import JSON
from parsekit.errors import ObjectNotFoundError
from parsekit.object import PFObject
from parsekit.query.state import QueryState
from parsekit.values import MISSING, Value

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["FindExplanation", "explain_find", "explain_object"]

_AT_A_TIME: Final = 1_000


@final
@attrs.frozen(slots=True)
class FindExplanation:
    """What a query shows a principal of what it finds: ``hidden`` counts objects by the step that hides
    them.
    """

    class_name: str
    shown: int
    hidden: Mapping[str, int]
    hidden_fields: frozenset[str]

    def __str__(self) -> str:
        total = sum(self.hidden.values())
        shown = "1 object" if self.shown == 1 else f"{self.shown} objects"
        lines = [f"{self.class_name}: {shown} shown, {total} hidden"]
        lines += [f"  {count} by {reason}" for reason, count in sorted(self.hidden.items())]
        if self.hidden_fields:
            lines.append(f"  hidden fields: {', '.join(sorted(self.hidden_fields))}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, JSON]:
        """As the command line prints it."""
        return {
            "className": self.class_name,
            "shown": self.shown,
            "hidden": dict(sorted(self.hidden.items())),
            "hiddenFields": sorted(self.hidden_fields),
        }


def explain_object(
    engine: ParseEngine, obj: PFObject, principal: Principal, operation: Operation, asking: Principal
) -> AccessExplanation:
    """Whether and why ``principal`` may do ``operation`` with ``obj``, as it is stored now.

    Raises:
        ObjectNotFoundError: 101, ``asking`` cannot read the object, so that nothing is said of it.
    """
    class_name, object_id = obj.class_name, obj.object_id
    fields: dict[str, Value] = {}
    if object_id is not None:
        # asked first under who asks: an explanation must not tell of an object that one may not see
        engine.reads.get(class_name, object_id, asking, None, None)
        # SAFETY: ACL and pointers decide, whether or not they are hidden; only reasons are given out.
        fields = _fields_of(engine.reads.get(class_name, object_id, Principal.master(), None, None))
    elif operation != "create":
        raise ObjectNotFoundError(hint="the object has not been saved; only its create can be explained")
    schema = engine.schema.get(class_name)
    told = explain_access(
        schema,
        class_name,
        operation,
        principal,
        fields,
        roles=engine.store.roles(),
        protected_defaults=engine.options.protection.fields,
        owner_exempt=engine.options.protection.owner_exempt,
    )
    # SAFETY: who is in which role is not everybody's to know.
    if asking.bypasses_permissions or principal.user_id in (None, asking.user_id):
        return told
    return told.without_roles()


def explain_find(
    engine: ParseEngine, state: QueryState, principal: Principal, asking: Principal
) -> FindExplanation:
    """How many of the objects that match are hidden from ``principal``, and through what.

    Raises:
        OperationForbiddenError: 119, the asking one is no master.
    """
    # SAFETY: how many objects there are is the master's to know.
    if not asking.bypasses_permissions:
        raise forbidden("only a master may ask what a query hides; use engine.acting_as_master()")
    schema, roles = engine.schema.get(state.class_name), engine.store.roles()
    everything = attrs.evolve(state, limit=-1, skip=0, order=(), keys=None, exclude_keys=(), include=())
    # SAFETY: as above.
    found = engine.reads.stream(everything, Principal.master(), None, _AT_A_TIME)
    hidden: Counter[str] = Counter()
    hidden_fields: set[str] = set()
    shown = 0
    fields = map(_fields_of, found)
    protection = engine.options.protection
    for told in explain_each(
        schema,
        state.class_name,
        "find",
        principal,
        fields,
        roles=roles,
        protected_defaults=protection.fields,
        owner_exempt=protection.owner_exempt,
    ):
        if told.allowed:
            shown += 1
            hidden_fields |= told.hidden_fields
        else:
            hidden[_reason(told)] += 1
    return FindExplanation(state.class_name, shown, dict(hidden), frozenset(hidden_fields))


def _reason(told: AccessExplanation) -> str:
    if told.error is not None:
        return "class-level permissions"
    for step in reversed(told.steps):
        if step.startswith("ACL: no entry"):
            return "ACL"
        if step.startswith("pointer permission: none"):
            return "pointer permission"
    return "class-level permissions"


def _fields_of(obj: PFObject) -> dict[str, Value]:
    fields = {key: value for key in obj if (value := obj.raw(key)) is not MISSING}
    if obj.object_id is not None:
        fields["objectId"] = obj.object_id
    acl = obj.acl
    if acl is None:
        fields.pop("ACL", None)
    else:
        fields["ACL"] = acl
    return fields
