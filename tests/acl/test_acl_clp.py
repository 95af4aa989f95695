"""Class-level permissions: what may be stated (S11, S12, S15, S16), what ``GET /schemas`` shows, default
ACLs (S11b)."""

import pytest

from parsekit.acl.clp import (
    GENERATED_USER_ID,
    OPERATIONS,
    default_object_acl,
    effective_permissions,
    evaluate,
    render_permissions,
    validate_permissions,
)
from parsekit.acl.principal import Principal
from parsekit.errors import InvalidJsonError
from parsekit.schema import ClassSchema, Field

OPEN = {
    "ACL": {"*": {"read": True, "write": True}},
    **{operation: {"*": True} for operation in OPERATIONS},
    "protectedFields": {"*": []},
}
FIELDS = {
    "owner": Field("Pointer", ("_User",)),
    "either": Field("Pointer", ("Company", "_User")),
    "company": Field("Pointer", ("Company",)),
    "anything": Field("Pointer"),
    "team": Field("Array"),
    "salary": Field("Number"),
}


def doc(permissions=None):
    return ClassSchema.new("Doc", FIELDS, permissions=permissions)


def test_a_class_that_states_nothing_shows_as_open():
    """Scenario s-049."""
    assert render_permissions(doc()) == OPEN
    assert effective_permissions(doc()) is None
    assert effective_permissions(None) is None


def test_gaps_show_as_closed():
    """Scenarios s-030 and s-029: no ``ACL`` appears, ``protectedFields`` does."""
    closed = {**{operation: {} for operation in OPERATIONS}, "protectedFields": {}}
    assert render_permissions(doc({})) == closed
    stated = {"find": {"requiresAuthentication": True}, "readUserFields": ["owner"]}
    assert render_permissions(doc(stated)) == {**closed, **stated}


def test_what_is_shown_is_a_copy():
    schema = doc({"find": {"pointerFields": ["owner"]}})
    render_permissions(schema)["find"]["pointerFields"].append("team")
    assert schema.permissions == {"find": {"pointerFields": ["owner"]}}
    render_permissions(doc())["find"].clear()
    assert render_permissions(doc()) == OPEN


GOOD = [
    {},
    OPEN,
    {"find": {}, "get": {"*": True}, "count": {"role:any name!": True, "aUser": True}},
    {"update": {"pointerFields": ["owner", "team", "either"]}, "delete": {"pointerFields": []}},
    {"readUserFields": ["owner"], "writeUserFields": []},
    {"ACL": {"currentUser": {"read": True, "write": False}, "*": {}, "role:a": {"read": True}}},
    {
        "protectedFields": {
            "*": ["salary"],
            "authenticated": [],
            "role:hr": [],
            "userField:owner": [],
            "u1": [],
        }
    },
]


@pytest.mark.parametrize("permissions", GOOD)
def test_good_permissions_are_copied(permissions):
    validated = validate_permissions(permissions, doc())
    assert validated == permissions
    assert validated is not permissions


def test_none_states_none():
    assert validate_permissions(None, doc()) is None


BAD = [
    ({"x": {}}, "x is not a valid operation for class level permissions"),
    ({"find": "all"}, "'all' is not a valid value for class level permissions find - must be an object"),
    ({"find": None}, "'null' is not a valid value for class level permissions find - must be an object"),
    ({"find": {"x y": True}}, "'x y' is not a valid key for class level permissions"),
    ({"find": {"": True}}, "'' is not a valid key for class level permissions"),
    ({"find": {"*": False}}, "'false' is not a valid value for class level permissions acl find:*"),
    ({"find": {"*": 1}}, "'1' is not a valid value for class level permissions acl find:*"),
    (
        {"get": {"u": {"a": 1}}},
        "'[object Object]' is not a valid value for class level permissions acl get:u",
    ),
    (
        {"get": {"u": ["a", None, True]}},
        "'a,,true' is not a valid value for class level permissions acl get:u",
    ),
    (
        {"update": {"pointerFields": "owner"}},
        "'owner' is not a valid value for update[pointerFields] - expected an array.",
    ),
    (
        {"update": {"pointerFields": ["salary"]}},
        "'salary' is not a valid column for class level pointer permissions update",
    ),
    (
        {"readUserFields": ["company"]},
        "'company' is not a valid column for class level pointer permissions readUserFields",
    ),
    (
        {"readUserFields": ["anything"]},
        "'anything' is not a valid column for class level pointer permissions readUserFields",
    ),
    (
        {"writeUserFields": ["gone"]},
        "'gone' is not a valid column for class level pointer permissions writeUserFields",
    ),
    (
        {"writeUserFields": "owner"},
        "'owner' is not a valid value for class level permissions writeUserFields - must be an array",
    ),
    ({"ACL": {"*": True}}, "'true' is not a valid value for class level permissions acl"),
    ({"ACL": {"*": {"reed": True}}}, "'reed' is not a valid key for class level permissions acl"),
    ({"ACL": {"*": {"read": "yes"}}}, "'yes' is not a valid value for class level permissions acl"),
    ({"protectedFields": {"a b": []}}, "'a b' is not a valid key for class level permissions"),
    (
        {"protectedFields": {"*": "salary"}},
        "'salary' is not a valid value for protectedFields[*] - expected an array.",
    ),
    ({"protectedFields": {"*": ["objectId"]}}, "Default field 'objectId' can not be protected"),
    ({"protectedFields": {"*": ["ACL"]}}, "Default field 'ACL' can not be protected"),
    ({"protectedFields": {"*": ["gone"]}}, "Field 'gone' in protectedFields:* does not exist"),
    ({"protectedFields": {"*": [["a"]]}}, "Field 'a' in protectedFields:* does not exist"),
    (
        {"protectedFields": []},
        "'' is not a valid value for class level permissions protectedFields - must be an object",
    ),
    ("open", "'open' is not a valid value for class level permissions - must be an object"),
]  # fmt: skip


@pytest.mark.parametrize(("permissions", "text"), BAD)
def test_bad_permissions_are_refused_with_parses_text(permissions, text):
    with pytest.raises(InvalidJsonError) as caught:
        validate_permissions(permissions, doc(), user_id=GENERATED_USER_ID)
    assert (caught.value.code, caught.value.message) == (107, text)


def test_what_a_user_id_may_look_like_depends_on_who_makes_them():
    permissions = {"find": {"user-1@x": True}, "protectedFields": {"user-1@x": []}}
    assert validate_permissions(permissions, doc()) == permissions
    with pytest.raises(InvalidJsonError):
        validate_permissions(permissions, doc(), user_id=GENERATED_USER_ID)
    with pytest.raises(InvalidJsonError):
        validate_permissions({"find": {"two\nlines": True}}, doc())


def test_only_true_grants():
    """Permissions that came in unchecked (a schema file) are read strictly."""
    for value in (1, "true", {"read": True}, None, False):
        verdict = evaluate({"find": {"*": value}}, "find", frozenset({"*"}), logged_in=False)
        assert verdict.outcome == "denied"
    assert evaluate({"find": "*"}, "find", frozenset({"*"}), logged_in=False).outcome == "denied"


def test_write_user_fields_let_a_creator_add_fields_but_not_create():
    """SchemaController.validatePermission: only ``pointerFields`` are limited to updates."""
    ids = frozenset({"*", "u1"})
    permissions = {"writeUserFields": ["owner"], "addField": {}}
    assert evaluate(permissions, "create", ids, logged_in=True).outcome == "denied"
    assert evaluate(permissions, "addField", ids, logged_in=True, during="create").outcome == "allowed"
    permissions = {"addField": {"pointerFields": ["owner"]}}
    assert evaluate(permissions, "addField", ids, logged_in=True, during="create").outcome == "denied"
    assert evaluate(permissions, "addField", ids, logged_in=True).pointer_fields == ("owner",)


def test_fields_of_both_kinds_are_joined_once_in_order():
    permissions = {"find": {"pointerFields": ["team", "owner"]}, "readUserFields": ["owner", "either"]}
    verdict = evaluate(permissions, "find", frozenset({"*", "u1"}), logged_in=True)
    assert verdict.pointer_fields == ("team", "owner", "either")


def test_a_new_object_gets_the_acl_that_its_class_states():
    schema = doc({"ACL": {"currentUser": {"read": True, "write": True}, "role:a": {"read": True}}})
    assert default_object_acl(schema, Principal.user("u1")) == {
        "u1": {"read": True, "write": True},
        "role:a": {"read": True},
    }
    assert default_object_acl(schema, Principal.anonymous()) == {"role:a": {"read": True}}
    assert default_object_acl(schema, Principal.master()) == {"role:a": {"read": True}}
    assert default_object_acl(doc({"ACL": {}}), Principal.anonymous()) == {}


@pytest.mark.parametrize("permissions", [None, {}, OPEN, {"find": {"*": True}}])
def test_a_new_object_is_public_otherwise(permissions):
    assert default_object_acl(doc(permissions), Principal.user("u1")) is None
    assert default_object_acl(None, Principal.user("u1")) is None
