"""The policy against the slow oracle (law L6), and that a query's answer gives no hidden field away.

The oracle is written from the prose and asks object by object; the policy answers with a condition and sets
of fields.
"""

import pytest
from acl_evaluation import holds, order_key
from acl_oracle import class_verdict, may, oracle_roles, shows
from acl_strategies import (
    OPERATIONS,
    PLAIN,
    objects,
    permissions,
    principals,
    protected,
    queries,
    role_graphs,
    schema_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from parsekit.acl.explain import explain_access
from parsekit.acl.guard import check_query_fields, guard_query
from parsekit.acl.policy import authorize, hidden_fields_of, visible
from parsekit.acl.protected import DEFAULT_PROTECTED_FIELDS
from parsekit.acl.roles import RoleGraph
from parsekit.errors import ObjectNotFoundError, OperationForbiddenError, ParseError
from parsekit.query.ast import ALWAYS

CLASSES = ["Doc", "_User"]
MANY = settings(max_examples=250)

option = st.dictionaries(st.sampled_from(CLASSES), protected(PLAIN), max_size=2)


def roles_of(principal, roles):
    return RoleGraph(roles).names_of(principal.user_id) if principal.user_id else frozenset()


@MANY
@given(
    permissions(), st.sampled_from(OPERATIONS), st.sampled_from(["create", "update"]), principals, role_graphs
)
def test_a_class_is_refused_with_parses_code(stated, operation, during, principal, roles):
    verdict = class_verdict(stated, operation, principal.user_id, roles, during)
    schema = schema_of("Doc", stated)
    names = roles_of(principal, roles)
    if verdict == "no":
        with pytest.raises(OperationForbiddenError) as caught:
            authorize(schema, "Doc", operation, principal, names, during=during)
        assert caught.value.message == "Permission denied"
        assert caught.value.hint == f"Permission denied for action {operation} on class Doc."
    elif verdict == "login":
        with pytest.raises(ObjectNotFoundError) as caught:
            authorize(schema, "Doc", operation, principal, names, during=during)
        assert caught.value.message == "Permission denied"
    elif verdict != "yes" and principal.user_id is None and operation == "get":
        with pytest.raises(ObjectNotFoundError) as caught:
            authorize(schema, "Doc", operation, principal, names, during=during)
        assert caught.value.message == "Object not found."
    else:
        access = authorize(schema, "Doc", operation, principal, names, during=during)
        assert (access.conjunct is None) is (verdict == "yes")
        assert hash(access) == hash(authorize(schema, "Doc", operation, principal, names, during=during))


@MANY
@given(permissions(), st.sampled_from(OPERATIONS), principals, role_graphs, objects())
def test_an_operation_reaches_exactly_the_objects_that_the_rules_allow(
    stated, operation, principal, roles, fields
):
    schema = schema_of("Doc", stated)
    names = roles_of(principal, roles)
    try:
        access = authorize(schema, "Doc", operation, principal, names)
    except ParseError as error:
        reached, code = False, error.code
    else:
        reached, code = holds(access.constrain(ALWAYS), fields, principal, names), 101
    assert reached is may(stated, operation, principal.user_id, roles, fields)
    told = explain_access(schema, "Doc", operation, principal, fields, roles=roles)
    assert told.allowed is reached
    if reached:
        assert told.error is None
    elif told.error is not None:
        assert told.error.code == code
    else:
        assert operation in ("find", "count")


@MANY
@given(st.data(), st.sampled_from(CLASSES), option, principals, role_graphs)
def test_exactly_the_protected_fields_are_hidden(data, class_name, defaults, principal, roles):
    stated = data.draw(permissions())
    fields = data.draw(objects(class_name))
    schema = schema_of(class_name, None if stated is None else {**stated, "find": {"*": True}})
    names = roles_of(principal, roles)
    access = authorize(schema, class_name, "find", principal, names, protected_defaults=defaults)
    seen = visible(fields, access, principal)
    expected = {
        key: value
        for key, value in fields.items()
        if shows(class_name, schema.permissions, defaults, principal.user_id, roles, fields=fields, field=key)
    }
    assert seen == expected
    assert not access.never_shown & seen.keys()
    assert seen == fields or not access.shows_everything
    partial = {key: value for key, value in fields.items() if key in access.deciding_fields}
    assert hidden_fields_of(partial, access, principal) == hidden_fields_of(fields, access, principal)
    included = visible(fields, access.as_included(), principal)
    assert included.keys() == seen.keys() - ({"authData"} if class_name == "_User" else set())
    told = explain_access(
        schema, class_name, "find", principal, fields, roles=roles, protected_defaults=defaults
    )
    assert told.hidden_fields == fields.keys() - seen.keys()


@settings(max_examples=400)
@given(st.data(), st.sampled_from(CLASSES), principals, role_graphs)
def test_an_answer_does_not_depend_on_hidden_fields(data, class_name, principal, roles):
    """Change what the principal cannot see of an object: if the query is allowed, its answer stays the
    same."""
    schema = schema_of(class_name, {"find": {"*": True}, "protectedFields": data.draw(protected(PLAIN))})
    names = roles_of(principal, roles)
    access = authorize(schema, class_name, "find", principal, names)
    state = data.draw(queries(class_name))
    fields = data.draw(objects(class_name))
    other = dict(fields)
    for key in [*PLAIN, "email", "authData"]:
        if not shows(
            class_name,
            schema.permissions,
            DEFAULT_PROTECTED_FIELDS,
            principal.user_id,
            roles,
            fields=fields,
            field=key,
        ):
            other.pop(key, None)
            if data.draw(st.booleans()):
                other[key] = data.draw(st.integers(0, 3) | st.just({"x": 1}) | st.just({"x": {"id": 2}}))
    try:
        check_query_fields(state, access, principal)
    except OperationForbiddenError as error:
        assert error.hint is not None
        assert error.hint.startswith("This user is not allowed to ")
        return
    assert visible(fields, access, principal) == visible(other, access, principal)
    found = [holds(state.where, version, principal, names) for version in (fields, other)]
    assert found[0] == found[1]
    if found[0]:
        assert order_key(state, fields) == order_key(state, other)


@given(st.data(), principals, role_graphs)
def test_a_guarded_query_answers_what_its_unguarded_self_would_of_the_reachable_objects(
    data, principal, roles
):
    stated = data.draw(permissions(fields=("b",)))
    names = roles_of(principal, roles)
    schema = schema_of("Doc", stated)
    state = data.draw(queries("Doc"))
    fields = data.draw(objects())
    try:
        guarded = guard_query(
            state,
            principal,
            lambda inner: authorize(schema, inner.class_name, "find", principal, names),
            lambda related: True,
        )
    except ParseError:
        return
    expected = holds(state.where, fields, principal, names) and may(
        stated, "find", principal.user_id, roles, fields
    )
    assert holds(guarded.where, fields, principal, names) is expected
    assert oracle_roles(roles, principal.user_id) == names or principal.user_id is None
