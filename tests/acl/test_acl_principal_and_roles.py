"""Principals (A9), the closure of roles (A3), what makes a role valid (S6, A4)."""

import pickle
from itertools import pairwise

import pytest
from acl_oracle import oracle_roles
from acl_strategies import ROLE_IDS, USER_IDS, role_graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parsekit.acl.principal import Principal, is_reserved_user_id, principal_ids
from parsekit.acl.roles import Role, RoleGraph, check_role_create, check_role_name, check_role_update, circles
from parsekit.errors import InternalServerError, RoleNameError, TypeMismatchError


def test_ids_are_everyone_the_user_and_its_roles():
    assert principal_ids(Principal.user("u1"), ["sales", "ops"]) == {"*", "u1", "role:sales", "role:ops"}
    assert principal_ids(Principal.anonymous(), ["sales"]) == {"*"}
    assert principal_ids(Principal.master(), ["sales"]) == {"*"}


def test_the_session_token_never_shows():
    principal = Principal.user("u1", session_token="r:secret", installation_id="i1")
    assert "secret" not in repr(principal)
    assert "secret" not in str(principal)
    assert principal == Principal.user("u1")
    assert hash(principal) == hash(Principal.user("u1"))
    assert pickle.loads(pickle.dumps(principal)).session_token == "r:secret"


@pytest.mark.parametrize(
    "user_id",
    ["", "*", "role:admins", "userField:owner", "authenticated", "requiresAuthentication", "pointerFields",
     "currentUser"],
)  # fmt: skip
def test_a_user_id_that_reads_as_a_group_is_refused(user_id):
    assert is_reserved_user_id(user_id)
    with pytest.raises(InternalServerError) as caught:
        Principal.user(user_id)
    assert caught.value.code == 1


def test_only_a_user_has_a_user_id():
    with pytest.raises(ValueError, match="kind user"):
        Principal("master", "u1")
    with pytest.raises(ValueError, match="kind user"):
        Principal("user")


@pytest.mark.parametrize(
    ("principal", "bypasses"),
    [
        (Principal.anonymous(), False),
        (Principal.user("u1"), False),
        (Principal.master(), True),
        (Principal.read_only_master(), True),
        (Principal.maintenance(), True),
    ],
)
def test_who_bypasses_permissions(principal, bypasses):
    assert principal.bypasses_permissions is bypasses


def test_members_of_a_child_have_the_parent():
    """Scenario s-027: sales lists managers, so a manager is in sales; somebody in sales is no manager."""
    graph = RoleGraph([
        Role("r1", "sales", {"bob"}, {"r2"}),
        Role("r2", "managers", {"alice"}),
    ])  # fmt: skip
    assert graph.names_of("alice") == {"managers", "sales"}
    assert graph.names_of("bob") == {"sales"}
    assert graph.names_of("carol") == frozenset()
    assert graph.paths_of("alice") == {"managers": ("managers",), "sales": ("managers", "sales")}


def test_circles_are_cut():
    graph = RoleGraph([
        Role("a", "A", {"u"}, {"c"}),
        Role("b", "B", (), {"a"}),
        Role("c", "C", (), {"b", "c"}),
    ])  # fmt: skip
    assert graph.names_of("u") == {"A", "B", "C"}


@given(role_graphs, st.sampled_from(USER_IDS))
def test_the_closure_is_the_least_fixed_point(roles, user_id):
    graph = RoleGraph(roles)
    expected = oracle_roles(roles, user_id)
    assert graph.names_of(user_id) == expected
    by_name = {role.name: role for role in roles}
    for name, path in graph.paths_of(user_id).items():
        assert path[-1] == name
        assert user_id in by_name[path[0]].user_ids
        for child, parent in pairwise(path):
            assert by_name[child].object_id in by_name[parent].role_ids
        assert len(path) <= len(ROLE_IDS)


@pytest.mark.parametrize("name", ["sales", "Sales team_2-b", " "])
def test_names_that_a_role_may_have(name):
    assert check_role_name(name) == name


@pytest.mark.parametrize("name", ["", "bad name!", "sales\n", "ventes été", None, 5])
def test_names_that_a_role_may_not_have(name):
    with pytest.raises(RoleNameError) as caught:
        check_role_name(name)
    assert caught.value.code == 139


def test_a_new_role_needs_a_name_and_an_acl():
    """Scenario s-045."""
    check_role_create({"name": "bad name!", "ACL": {}})
    for fields, text in [
        ({"ACL": {"*": {"read": True}}}, "name is required."),
        ({"name": "", "ACL": {}}, "name is required."),
        ({"name": "x"}, "ACL is required."),
        ({"name": "x", "ACL": None}, "ACL is required."),
    ]:
        with pytest.raises(TypeMismatchError) as caught:
            check_role_create(fields)
        assert (caught.value.code, caught.value.message) == (111, text)


def test_a_role_keeps_its_name_and_acl():
    check_role_update(["users"])
    with pytest.raises(TypeMismatchError):
        check_role_update(["ACL"])
    with pytest.raises(TypeMismatchError):
        check_role_update(["name"])


# --- circles ---

graphs = st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdef"), max_size=3))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs)
def test_circles_are_the_roles_that_reach_each_other(graph) -> None:
    roles = [Role(name, name.upper(), role_ids=children) for name, children in graph.items()]

    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            for child in graph.get(waiting.pop(), ()):
                if child in graph and child not in seen:
                    seen.add(child)
                    waiting.append(child)
        return seen

    expected = {
        frozenset({name} | {other for other in reached(name) if name in reached(other)})
        for name in graph
        if name in reached(name)
    }
    found = circles(roles)
    assert {frozenset(role.object_id for role in group) for group in found} == expected
    assert len(found) == len(expected)


def test_a_circle_of_ten_thousand_roles_is_found() -> None:
    count = 10_000
    roles = [Role(f"r{n}", f"R{n}", role_ids=[f"r{(n + 1) % count}"]) for n in range(count)]
    assert [len(group) for group in circles(roles)] == [count]
    assert circles(roles[:-1]) == []
