"""A tiny evaluation of conditions on one object, for tests that have no engine. Equality as the tests' data
needs it."""

from parsekit.acl.acl import AclEntries
from parsekit.acl.principal import principal_ids
from parsekit.query.ast import AclTest, And, Constant, Constraint, Nor, Or
from parsekit.values import MISSING


def _at(fields, key):
    value = fields
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return MISSING
        value = value[part]
    return value


def _equals(value, argument):
    return value == argument or (isinstance(value, list) and argument in value)


def _holds_constraint(node, fields):
    value = _at(fields, node.key)
    if node.op == "$eq":
        return _equals(value, node.argument)
    if node.op == "$ne":
        return not _equals(value, node.argument)
    if node.op == "$gt":
        return isinstance(value, int) and value > node.argument
    if node.op == "$exists":
        return (value is not MISSING) is node.argument
    if node.op == "$all":
        return isinstance(value, list) and all(item in value for item in node.argument)
    raise AssertionError(node.op)


def holds(node, fields, principal, role_names):
    """Whether the object is in the answer of a query with this condition, asked by this principal."""
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, AclTest):
        return AclEntries.of(fields.get("ACL")).grants(node.access, principal_ids(principal, role_names))
    if isinstance(node, Constraint):
        return _holds_constraint(node, fields)
    results = (holds(child, fields, principal, role_names) for child in node.children)
    if isinstance(node, And):
        return all(results)
    return any(results) if isinstance(node, Or) else isinstance(node, Nor) and not any(results)


def order_key(state, fields):
    """What a sort by ``state.order`` looks at."""
    return [repr(_at(fields, key.key)) for key in state.order]
