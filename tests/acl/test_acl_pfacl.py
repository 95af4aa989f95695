"""``PFACL`` and the canonical form: ios_sdk.md 1.3, parse_server.md A1."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit.acl.acl import PFACL, AclEntries, canonical_acl, readers, writers
from parsekit.codec import encode_value, loads
from parsekit.errors import AclError, MissingObjectIdError


def user(object_id="u1"):
    return SimpleNamespace(class_name="_User", object_id=object_id)


def role(object_id="r1", name="sales"):
    return SimpleNamespace(class_name="_Role", object_id=object_id, name=name)


def test_a_new_acl_gives_nobody_access():
    acl = PFACL()
    assert acl.to_json() == {}
    assert not acl.public_read_access
    assert not acl.public_write_access


def test_with_user_gives_the_user_both_rights():
    assert PFACL.with_user(user()).to_json() == {"u1": {"read": True, "write": True}}


def test_every_setter_writes_its_principal():
    acl = PFACL()
    acl.public_read_access = True
    acl.set_write_access(True, for_user_id="u2")
    acl.set_read_access(True, for_user=user())
    acl.set_read_access(True, for_role_with_name="managers")
    acl.set_write_access(True, for_role=role())
    assert acl.to_json() == {
        "*": {"read": True},
        "u1": {"read": True},
        "u2": {"write": True},
        "role:managers": {"read": True},
        "role:sales": {"write": True},
    }


def test_a_right_taken_away_is_removed_and_so_is_a_principal_without_rights():
    acl = PFACL.with_user(user())
    acl.set_write_access(False, for_user=user())
    assert acl.to_json() == {"u1": {"read": True}}
    acl.set_read_access(False, for_user_id="u1")
    assert acl.to_json() == {}
    acl.public_write_access = False
    assert acl.to_json() == {}


def test_getters_look_up_exactly_the_one_principal():
    acl = PFACL()
    acl.public_read_access = True
    acl.set_write_access(True, for_role_with_name="sales")
    assert not acl.get_read_access_for_user_id("u1")
    assert not acl.get_read_access_for_user(user())
    assert not acl.get_write_access_for_user_id("u1")
    assert not acl.get_write_access_for_user(user())
    assert acl.get_write_access_for_role_with_name("sales")
    assert acl.get_write_access_for_role(role())
    assert not acl.get_read_access_for_role_with_name("sales")
    assert not acl.get_read_access_for_role(role())


@pytest.mark.parametrize(
    "call",
    [
        lambda acl: acl.set_read_access(True, for_user=user(None)),
        lambda acl: acl.set_write_access(True, for_role=role(None)),
        lambda acl: acl.set_write_access(True, for_role=role(name=None)),
        lambda acl: acl.get_read_access_for_user(user(None)),
        lambda acl: acl.get_write_access_for_role(role(None)),
        lambda acl: PFACL.with_user(user("")),
    ],
)
def test_an_unsaved_user_or_role_is_refused(call):
    with pytest.raises(MissingObjectIdError):
        call(PFACL())


def test_a_setter_takes_exactly_one_principal():
    with pytest.raises(TypeError, match="0 users and roles"):
        PFACL().set_read_access(True)
    with pytest.raises(TypeError, match="2 users and roles"):
        PFACL().set_read_access(True, for_user_id="u1", for_role_with_name="sales")
    with pytest.raises(TypeError, match="expected a user"):
        PFACL().set_read_access(True, for_user=role())
    with pytest.raises(TypeError, match="expected a role"):
        PFACL().set_read_access(True, for_role=user())
    with pytest.raises(ValueError, match="got nothing"):
        PFACL().set_read_access(True, for_user_id="")


def test_copies_are_equal_and_independent_and_acls_are_not_hashable():
    acl = PFACL.with_user(user())
    twin = acl.copy()
    assert twin == acl
    twin.public_read_access = True
    assert twin != acl
    assert acl != {"u1": {"read": True, "write": True}}
    with pytest.raises(TypeError):
        hash(acl)


def test_repr_and_wire_form():
    acl = PFACL.with_user(user())
    assert repr(acl) == "PFACL.from_json({'u1': {'read': True, 'write': True}})"
    assert encode_value(acl) == {"u1": {"read": True, "write": True}}


def test_json_reads_as_the_server_reads_it():
    acl = PFACL.from_json({
        "*": {"read": True, "write": False},
        "u1": {"read": 1, "write": ""},
        "u2": {},
        "u3": True,
        "u4": {"read": None, "write": [], "delete": True},
    })  # fmt: skip
    assert acl.to_json() == {"*": {"read": True}, "u1": {"read": True}, "u4": {"write": True}}


@pytest.mark.parametrize(
    "json",
    [{"*unresolved": {"read": True}}, {"u1": None}, "public", 5, True, [], [{"read": True}]],
)
def test_what_is_no_acl_is_refused(json):
    with pytest.raises(AclError) as caught:
        PFACL.from_json(json)
    assert caught.value.code == 123
    assert caught.value.message == "Invalid ACL."
    with pytest.raises(AclError):
        canonical_acl(json)


def test_no_acl_is_public_and_an_empty_acl_is_nobodys():
    assert canonical_acl(None) is None
    assert readers(None) == writers(None) == {"*"}
    assert canonical_acl({}) == "{}"
    assert readers({}) == writers({}) == frozenset()


def test_the_placeholder_of_an_unsaved_user_cannot_be_set():
    with pytest.raises(AclError):
        PFACL().set_read_access(True, for_user_id="*unresolved")


rights = st.fixed_dictionaries({}, optional={"read": st.booleans(), "write": st.booleans()})
acls = st.dictionaries(st.sampled_from(["*", "u1", "u2", "role:a", "role:ü b"]), rights)


@given(acls)
def test_the_canonical_text_is_the_acl(json):
    entries = AclEntries.of(json)
    assert (
        entries.text
        == AclEntries.of(PFACL.from_json(json)).text
        == canonical_acl(dict(reversed(json.items())))
    )
    assert loads(entries.text) == PFACL.from_json(json).to_json()
    assert AclEntries.of(loads(entries.text)) == entries
    assert entries.readers == {key for key, value in json.items() if value.get("read")} == readers(json)
    assert entries.writers == {key for key, value in json.items() if value.get("write")} == writers(json)
    assert hash(entries) == hash(AclEntries.of(json))


@given(acls, acls)
def test_equal_acls_have_equal_texts_and_no_others(a, b):
    assert (canonical_acl(a) == canonical_acl(b)) == (PFACL.from_json(a) == PFACL.from_json(b))


@given(acls, st.frozensets(st.sampled_from(["*", "u1", "u2", "role:a"])))
def test_grants_asks_for_any_of_the_ids(json, ids):
    entries = AclEntries.of(json)
    for access in ("read", "write"):
        assert entries.grants(access, ids) == any(json.get(name, {}).get(access) for name in ids)
