"""The policy's single rules, each with its source, and the guard of whole queries."""

import attrs
import pytest

from parsekit.acl.acl import PFACL
from parsekit.acl.explain import explain_access
from parsekit.acl.guard import (
    check_keys,
    check_query_fields,
    check_relation_key,
    guard_query,
    read_operation,
)
from parsekit.acl.policy import Access, authorize, visible
from parsekit.acl.principal import Principal
from parsekit.acl.protected import OwnerGroup
from parsekit.acl.roles import Role
from parsekit.acl.system import (
    check_class_exists,
    check_session_write,
    check_user_write,
    default_user_acl,
    missing_object,
    user_acl_on_create,
    user_acl_on_update,
)
from parsekit.errors import (
    AclError,
    InvalidSessionTokenError,
    KeyNameError,
    ObjectNotFoundError,
    OperationForbiddenError,
    ParseError,
    SessionMissingError,
)
from parsekit.query.ast import (
    ALWAYS,
    NEVER,
    AclTest,
    And,
    Constraint,
    KeyOfQuery,
    Nor,
    Or,
    RelatedTo,
    constraints_of,
)
from parsekit.query.state import OrderKey, QueryState
from parsekit.schema import ClassSchema, Field
from parsekit.values import Pointer

ALICE = Principal.user("alice")
ANYONE = Principal.anonymous()
MASTERS = [Principal.master(), Principal.read_only_master(), Principal.maintenance()]
ME = Pointer("_User", "alice")
OPEN = {op: {"*": True} for op in ("find", "get", "count", "create", "update", "delete", "addField")}


def doc(permissions, class_name="Doc", **fields):
    known = {
        "owner": Field("Pointer", ("_User",)),
        "team": Field("Array"),
        "salary": Field("Number"),
        **fields,
    }
    return ClassSchema.new(class_name, known, permissions=permissions)


def users(permissions=None):
    return ClassSchema.new("_User", {"phone": Field("String")}, permissions=permissions)


# --- conditions ---


def test_a_client_reads_by_read_acl_and_writes_by_write_acl():
    for operation, right in [
        ("find", "read"),
        ("get", "read"),
        ("count", "read"),
        ("update", "write"),
        ("delete", "write"),
    ]:
        assert authorize(None, "Doc", operation, ALICE) == Access("Doc", right)
    assert authorize(None, "Doc", "create", ANYONE) == Access("Doc")
    assert Access("Doc", "read").constrain(ALWAYS) == And((ALWAYS, AclTest("read")))


@pytest.mark.parametrize("principal", MASTERS)
def test_nothing_is_tested_for_a_master(principal):
    access = authorize(doc({}), "Doc", "find", principal)
    assert access == Access("Doc")
    assert access.constrain(ALWAYS) is ALWAYS


def test_pointer_permissions_are_an_or_over_fields():
    """S15: a Pointer refers to the user, an Array contains the user's pointer."""
    schema = doc({"find": {"pointerFields": ["owner"]}, "readUserFields": ["team"]})
    conjunct = authorize(schema, "Doc", "find", ALICE).conjunct
    assert conjunct == Or((Constraint("owner", "$eq", ME), Constraint("team", "$all", (ME,))))
    assert authorize(schema, "Doc", "get", ALICE).conjunct == Constraint("team", "$all", (ME,))


def test_pointer_permissions_without_a_user_find_nothing_and_fail_a_get():
    schema = doc(
        {
            "find": {"pointerFields": ["owner"]},
            "readUserFields": ["owner"],
            "update": {"pointerFields": ["owner"]},
        }
    )
    assert authorize(schema, "Doc", "find", ANYONE).conjunct == NEVER
    assert authorize(schema, "Doc", "count", ANYONE).conjunct == NEVER
    assert authorize(schema, "Doc", "update", ANYONE).conjunct == NEVER
    with pytest.raises(ObjectNotFoundError, match="Object not found"):
        authorize(schema, "Doc", "get", ANYONE)


def test_authentication_beside_pointer_fields_still_limits():
    """parse_server.md section 14."""
    schema = doc({"find": {"requiresAuthentication": True, "pointerFields": ["owner"]}})
    assert authorize(schema, "Doc", "find", ALICE).conjunct == Constraint("owner", "$eq", ME)
    with pytest.raises(ObjectNotFoundError) as caught:
        authorize(schema, "Doc", "find", ANYONE)
    assert caught.value.hint == "Permission denied, user needs to be authenticated."


def test_a_pointer_field_that_is_gone_lets_nobody_pass():
    schema = doc({"find": {"pointerFields": ["gone", "salary"]}})
    assert authorize(schema, "Doc", "find", ALICE).conjunct == NEVER
    told = explain_access(schema, "Doc", "find", ALICE, {"gone": ME, "salary": ME})
    assert not told.allowed
    schema = doc({"find": {"pointerFields": ["gone", "owner"]}})
    assert authorize(schema, "Doc", "find", ALICE).conjunct == Constraint("owner", "$eq", ME)


def test_equal_limits_are_equal_accesses():
    schema = doc({**OPEN, "protectedFields": {"*": ["salary"]}})
    accesses = {authorize(schema, "Doc", "find", who) for who in (ALICE, ANYONE, Principal.user("bob"))}
    assert accesses == {Access("Doc", "read", hidden_fields=frozenset({"salary"}))}


# --- protected fields ---


def test_an_owner_group_without_another_group_hides_nothing():
    """parse_server.md section 14."""
    schema = doc({**OPEN, "protectedFields": {"userField:owner": ["salary"]}})
    access = authorize(schema, "Doc", "find", ALICE)
    assert access == Access("Doc", "read")
    assert visible({"owner": ME, "salary": 1}, access, ALICE) == {"owner": ME, "salary": 1}


def test_an_owner_sees_what_its_group_shows():
    schema = doc({**OPEN, "protectedFields": {"*": ["salary", "team"], "userField:owner": ["team"]}})
    access = authorize(schema, "Doc", "find", ALICE)
    assert access.hidden_by_owner == (OwnerGroup("owner", frozenset({"team"})),)
    assert access.deciding_fields == {"owner"}
    assert access.never_shown == {"team"}
    mine = {"owner": ME, "salary": 1, "team": []}
    assert visible(mine, access, ALICE) == {"owner": ME, "salary": 1}
    assert visible({**mine, "owner": Pointer("_User", "bob")}, access, ALICE).keys() == {"owner"}
    assert visible({**mine, "owner": Pointer("Other", "alice")}, access, ALICE).keys() == {"owner"}
    assert visible(mine, authorize(schema, "Doc", "find", ANYONE), ANYONE).keys() == {"owner"}


def test_the_default_option_is_joined_to_what_the_class_states():
    """S17, and SchemaController.SchemaData: a class cannot take a default field out of a group, only add a
    group."""
    stated = {**OPEN, "protectedFields": {"*": ["phone"], "role:admin": []}}
    access = authorize(users(stated), "_User", "find", ALICE)
    assert access.hidden_fields == {"email", "phone"}
    assert authorize(users(stated), "_User", "find", ALICE, frozenset({"admin"})).hidden_fields == frozenset()
    assert authorize(users(), "_User", "find", ANYONE, protected_defaults={}).hidden_fields == frozenset()


def test_users_see_their_own_object_and_others_without_email_and_auth_data():
    """S16, L23."""
    access = authorize(users(), "_User", "find", ALICE)
    own = {
        "objectId": "alice",
        "email": "e",
        "authData": {"x": {"id": "1"}},
        "password": "p",
        "sessionToken": "r:1",
        "n": 1,
    }
    assert visible(own, access, ALICE).keys() == {"objectId", "email", "authData", "n"}
    assert visible({**own, "objectId": "bob"}, access, ALICE).keys() == {"objectId", "n"}
    assert visible(own, access.as_included(), ALICE).keys() == {"objectId", "email", "n"}
    assert visible(own, authorize(users(), "_User", "find", ANYONE), ANYONE).keys() == {"objectId", "n"}


def test_what_masters_see_of_a_user():
    row = {
        "objectId": "bob",
        "email": "e",
        "authData": {},
        "password": "p",
        "sessionToken": "r:1",
        "_hashed": "h",
    }
    seen = [visible(row, authorize(users(), "_User", "find", who), who).keys() for who in MASTERS]
    assert seen == [{"objectId", "email", "authData"}, {"objectId", "email", "authData"}, row.keys()]


def test_only_a_class_without_hidden_fields_shows_everything():
    """A master's users hide their secrets alone, which is enough not to send rows out as they are stored."""
    assert authorize(doc(None), "Doc", "find", ANYONE).shows_everything
    assert not SALARY.shows_everything
    assert not authorize(users(), "_User", "find", Principal.master()).shows_everything
    assert authorize(users(), "_User", "find", Principal.maintenance()).shows_everything
    assert not authorize(users(), "_User", "find", ALICE, protected_defaults={}).shows_everything


# --- hidden fields in queries (Q30) ---

SALARY = authorize(doc({**OPEN, "protectedFields": {"*": ["salary"]}}), "Doc", "find", ALICE)


def query(where=ALWAYS, class_name="Doc", **rest):
    return QueryState(class_name, where, **rest)


@pytest.mark.parametrize(
    "where",
    [
        Constraint("salary", "$gt", 1),
        Constraint("salary.x", "$exists", True),
        Or((Constraint("a", "$eq", 1), Constraint("salary", "$eq", 1))),
        And((Constraint("a", "$eq", 1), Nor((Constraint("salary", "$eq", 1),)))),
        Nor((Or((And((Constraint("salary", "$eq", 1),)),)),)),
    ],
)
def test_a_condition_on_a_hidden_field_is_refused(where):
    with pytest.raises(OperationForbiddenError) as caught:
        check_query_fields(query(where), SALARY, ALICE)
    assert caught.value.message == "Permission denied"
    key = next(leaf.key for leaf in constraints_of(where) if leaf.key.startswith("salary"))
    assert caught.value.hint == f"This user is not allowed to query {key} on class Doc"


def test_a_sort_by_a_hidden_field_is_refused():
    state = query(order=(OrderKey("a"), OrderKey("salary.x", True)))
    with pytest.raises(OperationForbiddenError) as caught:
        check_query_fields(state, SALARY, ALICE)
    assert caught.value.hint == "This user is not allowed to sort by salary.x on class Doc"


def test_other_fields_may_be_used():
    state = query(Constraint("salaryBand", "$eq", 1), order=(OrderKey("a.salary"),))
    check_query_fields(state, SALARY, ALICE)
    check_keys(SALARY, ["a", "b.salary"])
    with pytest.raises(OperationForbiddenError):
        check_keys(SALARY, ["a", "salary"])


def test_a_user_may_use_hidden_fields_to_ask_for_itself():
    """DatabaseController.addProtectedFields; corpus: the same condition without the objectId is refused."""
    access = authorize(users(), "_User", "find", ALICE)
    email = Constraint("email", "$eq", "a@x")
    me = Constraint("objectId", "$eq", "alice")
    check_query_fields(query(And((me, email)), "_User", order=(OrderKey("email"),)), access, ALICE)
    for where in (
        email,
        Or((me, email)),
        Nor((me, email)),
        And((Constraint("objectId", "$eq", "bob"), email)),
    ):
        with pytest.raises(OperationForbiddenError):
            check_query_fields(query(where, "_User"), access, ALICE)
    with pytest.raises(OperationForbiddenError):
        check_query_fields(
            query(And((me, email)), "_User"), authorize(users(), "_User", "find", ANYONE), ANYONE
        )


def test_clients_cannot_probe_auth_data():
    """parse_server.md section 14: not to be copied."""
    access = authorize(users(), "_User", "find", ALICE)
    with pytest.raises(OperationForbiddenError):
        check_query_fields(query(Constraint("authData.x.id", "$regex", "^1"), "_User"), access, ALICE)
    for master in MASTERS:
        access = authorize(users(), "_User", "find", master)
        check_query_fields(query(Constraint("authData.x.id", "$eq", "1"), "_User"), access, master)


def test_a_find_for_one_object_id_alone_is_a_get():
    alone = Constraint("objectId", "$eq", "x")
    assert read_operation(query(alone)) == "get"
    for where in (
        ALWAYS,
        And((alone,)),
        Constraint("objectId", "$in", ("x",)),
        Constraint("objectId", "$eq", None),
    ):
        assert read_operation(query(where)) == "find"


# --- whole queries ---


def guard(state, schemas, may_traverse=lambda related: True, principal=ALICE):
    def access_of(inner):
        schema = schemas.get(inner.class_name)
        return authorize(schema, inner.class_name, read_operation(inner), principal)

    return guard_query(state, principal, access_of, may_traverse)


def test_every_class_of_a_query_gets_its_own_limits():
    inner = query(Constraint("a", "$eq", 1), "Emp")
    state = query(
        Or((Constraint("ptr", "$inQuery", inner), Constraint("x", "$select", KeyOfQuery(inner, "a"))))
    )
    emp = doc({"find": {"pointerFields": ["owner"]}}, "Emp")
    limited = attrs.evolve(inner, where=And((inner.where, AclTest("read"), Constraint("owner", "$eq", ME))))
    assert guard(state, {"Emp": emp}) == query(
        And((
            Or((
                Constraint("ptr", "$inQuery", limited),
                Constraint("x", "$select", KeyOfQuery(limited, "a")),
            )),
            AclTest("read"),
        ))
    )  # fmt: skip


@pytest.mark.parametrize(
    "where",
    [
        Constraint("ptr", "$inQuery", query(Constraint("salary", "$eq", 1), "Emp")),
        Constraint("ptr", "$notInQuery", query(order=(OrderKey("salary"),), class_name="Emp")),
        Constraint("x", "$select", KeyOfQuery(query(class_name="Emp"), "salary")),
        Constraint("x", "$dontSelect", KeyOfQuery(query(class_name="Emp"), "salary.x")),
        Nor(
            (
                Constraint(
                    "a",
                    "$inQuery",
                    query(Constraint("b", "$inQuery", query(Constraint("salary", "$eq", 1), "Emp"))),
                ),
            )
        ),
    ],
)
def test_a_hidden_field_in_a_sub_query_is_refused(where):
    emp = doc({**OPEN, "protectedFields": {"*": ["salary"]}}, "Emp")
    with pytest.raises(OperationForbiddenError):
        guard(query(where), {"Emp": emp})
    guard(query(where), {"Emp": emp}, principal=Principal.master())


def test_a_class_that_refuses_fails_the_query_that_uses_it_below():
    with pytest.raises(ObjectNotFoundError, match="Permission denied"):
        guard(
            query(Constraint("ptr", "$notInQuery", query(class_name="Emp"))),
            {"Emp": doc({"find": {"requiresAuthentication": True}}, "Emp")},
            principal=ANYONE,
        )


def test_a_relation_whose_owner_cannot_be_read_is_empty():
    """Scenario s-028."""
    related = RelatedTo(Pointer("Deal", "d1"), "rel")
    state = query(Constraint("", "$relatedTo", related), "Contact")
    assert guard(state, {}).where == And((state.where, AclTest("read")))
    assert guard(state, {}, lambda asked: asked != related).where == And((NEVER, AclTest("read")))


def test_a_protected_relation_cannot_be_followed():
    related = RelatedTo(Pointer("Deal", "d1"), "salary")
    deal = doc({**OPEN, "protectedFields": {"*": ["salary"], "role:hr": []}}, "Deal")
    with pytest.raises(OperationForbiddenError) as caught:
        check_relation_key(deal, related, ALICE, frozenset())
    assert caught.value.hint == "This user is not allowed to query salary on class Deal"
    check_relation_key(deal, related, ALICE, frozenset({"hr"}))
    check_relation_key(deal, related, Principal.master(), frozenset())
    check_relation_key(None, related, ALICE, frozenset())


# --- system classes ---


@pytest.mark.parametrize(
    "class_name", ["_Hooks", "_GlobalConfig", "_JobStatus", "_Audience", "_Join:users:_Role"]
)
def test_some_classes_are_the_masters_alone(class_name):
    """A8."""
    for operation, method in [
        ("find", "find"),
        ("count", "find"),
        ("create", "create"),
        ("delete", "delete"),
    ]:
        with pytest.raises(OperationForbiddenError) as caught:
            authorize(None, class_name, operation, ALICE)
        assert caught.value.hint == (
            f"Clients aren't allowed to perform the {method} operation on the {class_name} collection."
        )
        authorize(None, class_name, operation, Principal.maintenance())


def test_clients_may_not_find_or_delete_installations():
    for operation in ("find", "count", "delete"):
        with pytest.raises(OperationForbiddenError):
            authorize(None, "_Installation", operation, ALICE)
    for operation in ("get", "create", "update"):
        authorize(None, "_Installation", operation, ANYONE)


@pytest.mark.parametrize("operation", ["create", "update", "delete", "addField"])
def test_the_read_only_master_writes_nothing(operation):
    """A9."""
    with pytest.raises(OperationForbiddenError) as caught:
        authorize(None, "Doc", operation, Principal.read_only_master())
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("read-only masterKey isn't allowed to perform the ")


def test_sessions_are_their_users():
    """L20, W13; scenario s-043."""
    for operation in ("find", "get", "count", "update", "delete"):
        assert authorize(None, "_Session", operation, ALICE).conjunct == Constraint("user", "$eq", ME)
        with pytest.raises(InvalidSessionTokenError):
            authorize(None, "_Session", operation, ANYONE)
    with pytest.raises(InvalidSessionTokenError, match="Session token required"):
        authorize(None, "_Session", "create", ANYONE)
    assert authorize(None, "_Session", "create", ALICE) == Access("_Session")
    assert authorize(None, "_Session", "find", Principal.master()) == Access("_Session")


def test_users_are_changed_under_a_session_only():
    """A6; scenario s-039."""
    for operation in ("update", "delete"):
        with pytest.raises(SessionMissingError):
            authorize(users(), "_User", operation, ANYONE)
        assert missing_object("_User", operation, ALICE).code == 206
        assert missing_object("_User", operation, Principal.master()).code == 101
        assert missing_object("Doc", operation, ALICE).code == 101
    assert missing_object("_User", "get", ALICE).code == 101
    authorize(users(), "_User", "create", ANYONE)


def test_a_class_that_does_not_exist():
    """Q29."""
    with pytest.raises(OperationForbiddenError) as caught:
        check_class_exists(None, "Nope", ALICE, allow_client_class_creation=False)
    assert caught.value.hint == "This user is not allowed to access non-existent class: Nope"
    check_class_exists(None, "Nope", ALICE, allow_client_class_creation=True)
    check_class_exists(None, "Nope", Principal.master(), allow_client_class_creation=False)
    check_class_exists(None, "_Session", ALICE, allow_client_class_creation=False)
    check_class_exists(doc({}), "Doc", ALICE, allow_client_class_creation=False)


def test_the_acl_of_a_new_user():
    """A5; scenario s-041."""
    own = {"u1": {"read": True, "write": True}}
    assert default_user_acl("u1") == user_acl_on_create(None, "u1") == own
    assert default_user_acl("u1", False) == {"*": {"read": True}, **own}
    assert user_acl_on_create({"*": {"read": True}}, "u1") == {"*": {"read": True}, **own}
    assert user_acl_on_create({}, "u1", False) == own
    with pytest.raises(AclError):
        user_acl_on_create({"*unresolved": {"read": True}}, "u1")


def test_users_cannot_lock_themselves_out():
    own = {"u1": {"read": True, "write": True}}
    public = PFACL()
    public.public_read_access = True
    assert user_acl_on_update({}, "u1", Principal.user("u1")) == own
    assert user_acl_on_update(public, "u1", Principal.user("u1")) == {"*": {"read": True}, **own}
    assert user_acl_on_update({}, "u1", Principal.master()) == {}


def test_clients_do_not_verify_addresses():
    with pytest.raises(OperationForbiddenError):
        check_user_write({"emailVerified": True}, ALICE)
    check_user_write({"emailVerified": True}, Principal.maintenance())
    check_user_write({"email": "x"}, ALICE)


@pytest.mark.parametrize("key", ["sessionToken", "installationId", "expiresAt", "createdWith"])
def test_what_a_session_update_may_not_say(key):
    with pytest.raises(KeyNameError, match=f"Invalid key name: {key}"):
        check_session_write({key: "x"}, ALICE, creating=False)
    check_session_write({key: "x"}, ALICE, creating=True)


def test_a_session_stays_its_users_and_has_no_acl():
    check_session_write({"user": ME, "extra": 1}, ALICE, creating=False)
    with pytest.raises(KeyNameError):
        check_session_write({"user": Pointer("_User", "bob")}, ALICE, creating=False)
    check_session_write({"user": ME, "expiresAt": None}, Principal.master(), creating=False)
    with pytest.raises(KeyNameError):
        check_session_write({"sessionToken": "r:x"}, Principal.master(), creating=False)
    with pytest.raises(KeyNameError):
        check_session_write({"ACL": {}}, Principal.master(), creating=True)


# --- explanations ---


def test_an_explanation_tells_the_way_through_the_roles():
    roles = [Role("r1", "sales", (), {"r2"}), Role("r2", "managers", {"alice"})]
    fields = {"ACL": {"role:sales": {"read": True}}, "salary": 1}
    schema = doc({"get": {"requiresAuthentication": True}, "protectedFields": {"*": ["salary"]}})
    told = explain_access(schema, "Doc", "get", ALICE, fields, roles=roles)
    assert told.allowed
    assert told.hidden_fields == {"salary"}
    assert str(told).splitlines() == [
        "principal: user alice",
        'role: "managers", which lists the user',
        'role: "sales", because the user is in "managers", which is listed by "sales"',
        "Doc: get is allowed to every logged-in user",
        'ACL: the entry "role:sales" grants read',
        "hidden fields: salary",
        "verdict: get is allowed",
    ]


def test_an_explanation_of_a_refusal():
    told = explain_access(doc({}), "Doc", "find", ANYONE, {})
    assert not told.allowed
    assert isinstance(told.error, ParseError)
    assert told.error.code == 119
    assert told.steps == (
        "principal: anonymous",
        "Doc: find is not allowed",
        "verdict: find is refused with error 119",
    )
    told = explain_access(None, "Doc", "update", ALICE, {"ACL": {"*": {"read": True}}})
    assert told.error is not None
    assert told.error.code == 101
    assert "ACL: no entry grants write to the principal" in told.steps
    told = explain_access(None, "Doc", "find", Principal.master(), {"ACL": {}})
    assert told.steps == ("principal: master", "master: no permission applies", "verdict: find is allowed")


def test_an_explanation_of_pointer_permissions():
    schema = doc({"update": {"pointerFields": ["owner", "team"]}})
    told = explain_access(schema, "Doc", "update", ALICE, {"owner": Pointer("_User", "bob"), "team": [ME]})
    assert told.allowed
    assert "pointer permission: team refers to the user" in told.steps
    assert "ACL: the object has none, so it is public" in told.steps
    told = explain_access(schema, "Doc", "update", ALICE, {"ACL": {"*": {"write": True}}})
    assert not told.allowed
    assert "pointer permission: none of owner, team refers to the user" in told.steps
    assert "ACL: everyone has the right to write" in told.steps
