"""Field operations: how one key of an object changes, and how two changes of it become one.

Law L3: ``apply(merge(a, b), v)`` equals ``apply(b, apply(a, v))`` under the server's rules, where every pair
merges. A pair that no single operation expresses stays a ``Sequence``. (Sums of floats agree up to rounding.)

``OperationRules`` names what the server and the iOS SDK do differently: ``SERVER_RULES`` and ``SDK_RULES``,
the SDK's refusals by exception included. The operations' JSON is in ``codec``; types of fields are checked by
``schema``; relation changes reach the relation's rows through ``storage``, not through ``apply``.
"""

from parsekit.operations.apply import apply, value_on_create
from parsekit.operations.kinds import (
    Add,
    AddRelation,
    AddUnique,
    Delete,
    Increment,
    Operation,
    RelationChange,
    RelationMembers,
    Remove,
    RemoveRelation,
    Sequence,
    Set,
    SetOnInsert,
    relation_change,
)
from parsekit.operations.merge import merge
from parsekit.operations.paths import apply_path
from parsekit.operations.pending import OperationSet
from parsekit.operations.rules import SDK_RULES, SERVER_RULES, ObjectiveCError, OperationRules, same

__all__ = [
    "SDK_RULES",
    "SERVER_RULES",
    "Add",
    "AddRelation",
    "AddUnique",
    "Delete",
    "Increment",
    "ObjectiveCError",
    "Operation",
    "OperationRules",
    "OperationSet",
    "RelationChange",
    "RelationMembers",
    "Remove",
    "RemoveRelation",
    "Sequence",
    "Set",
    "SetOnInsert",
    "apply",
    "apply_path",
    "merge",
    "relation_change",
    "same",
    "value_on_create",
]
