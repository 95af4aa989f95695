"""``PFUser`` and ``PFRole`` as applications use them; what of a user never shows."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import bcrypt
import pytest

import parsekit
from parsekit import (
    PFACL,
    EngineError,
    ParseError,
    PFObject,
    PFQuery,
    PFRole,
    PFSession,
    PFUser,
    Pointer,
    Principal,
)
from parsekit.operations import OperationSet, Set
from parsekit.query.ast import Constraint
from parsekit.query.state import QueryState
from tests.auth.kit import open_engine
from tests.auth.test_policy import refused


class Agent(PFUser, class_name="_User"):
    region: str | None = None


# --- the current user ---


def test_signing_up_logs_in_and_logging_out_ends_it() -> None:
    with open_engine():
        assert PFUser.current() is None
        ada = PFUser.sign_up("ada", password="pw", email="ada@x.com", nick="al")
        assert PFUser.current() is ada and ada.is_authenticated
        assert (ada.username, ada.email, ada["nick"]) == ("ada", "ada@x.com", "al")
        assert ada.acl.to_json() == {ada.object_id: {"read": True, "write": True}}
        token = ada.session_token
        PFUser.log_out()
        assert PFUser.current() is None
        with refused(209, "Invalid session token"):
            PFUser.become(token)


def test_becoming_a_user_by_token() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        PFUser.sign_up("bob", password="pw")
        assert PFUser.become(ada.session_token) == ada == PFUser.current()
        with engine.acting_as(Principal.user(ada.object_id)):
            assert PFUser.current().fetch_if_needed().username == "ada"
        with engine.acting_as_master():
            assert PFUser.current() is None


def test_the_current_user_is_the_contexts_own() -> None:
    with open_engine() as engine:
        PFUser.sign_up("ada", password="pw")
        seen: list[object] = []

        def elsewhere() -> None:
            with engine.acting_as(Principal.anonymous()):
                seen.append(PFUser.current())
                PFUser.log_in("ada", "pw")
                seen.append(PFUser.current().username)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen == [None, "ada"]
        with engine.acting_as(Principal.anonymous()):
            PFUser.sign_up("bob", password="pw")
        assert PFUser.current().username == "ada"


def test_log_in_by_name_or_address() -> None:
    with open_engine():
        PFUser.sign_up("ada", password="pw", email="ada@x.com")
        PFUser.sign_up("ada@x.com", password="other")
        assert PFUser.log_in("ada@x.com", "other").username == "ada@x.com"
        assert PFUser.log_in("ada", "pw").username == "ada"
        for name, password in (("ada", "PW"), ("nobody", "pw"), ("ADA", "pw"), ("ada@x.com", "pw")):
            with refused(101, "Invalid username/password."):
                PFUser.log_in(name, password)
        assert PFUser.verify_password("ada", "pw").username == "ada"


def test_names_may_be_lowered() -> None:
    options = {"convert_username_to_lowercase": True, "convert_email_to_lowercase": True}
    with open_engine(**options):
        ada = PFUser.sign_up("Ada", password="pw", email="Ada@X.com")
        assert (ada.username, ada.email) == ("ada", "ada@x.com")
        assert PFUser.log_in("ADA", "pw") == PFUser.log_in("ADA@x.com", "pw") == ada
        ada.username = "ADA2"
        ada.save()
        assert ada.username == "ada2"


# --- signing up ---


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"username": "", "password": "x"}, 200),
        ({"username": "x", "password": ""}, 201),
        ({"username": "ADA", "password": "x"}, 202),
        ({"username": "x", "password": "x", "email": "ADA@X.COM"}, 203),
        ({"username": "élise", "password": "x"}, 202),
        ({"username": "x", "password": "x", "email": "nonsense"}, 125),
    ],
)
def test_sign_ups_that_are_refused(fields: dict[str, str], code: int) -> None:
    with open_engine() as engine:
        PFUser.sign_up("ada", password="pw", email="ada@x.com")
        PFUser.sign_up("ÉLISE", password="pw")
        PFUser.log_out()
        with refused(code, ""):
            PFUser.sign_up(**fields)
        assert PFUser.current() is None
        with engine.acting_as_master():
            assert PFQuery(PFUser).count() == 2


def test_a_user_keeps_its_name_under_another_case() -> None:
    with open_engine():
        ada = PFUser.sign_up("ada", password="pw")
        ada.username = "Ada"
        ada.save()
        PFUser.log_in("Ada", "pw")


def test_saving_is_not_signing_up() -> None:
    with open_engine() as engine:
        user = PFUser(username="ada", password="pw")
        with refused(-1, "User cannot be saved unless they are already signed up."):
            user.save()
        with engine.acting_as_master():
            user.save()
            assert PFQuery("_Session").count() == 0
        assert PFUser.log_in("ada", "pw") == user


def test_users_are_private_unless_told() -> None:
    with parsekit.open(":memory:", enforce_private_users=False):
        ada = PFUser.sign_up("ada", password="pw")
        assert ada.acl.public_read_access and not ada.acl.public_write_access


def test_nobody_locks_themselves_out_and_a_master_may() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        ada.acl = PFACL()
        ada.save()
        assert ada.fetch().acl.to_json() == {ada.object_id: {"read": True, "write": True}}
        with engine.acting_as_master():
            ada.acl = PFACL()
            ada.save()
        with refused(101, "Invalid username/password."):
            PFUser.log_in("ada", "pw")


def test_ids_that_read_as_roles_are_refused() -> None:
    with open_engine() as engine:
        operations = OperationSet()
        for key in ("username", "password"):
            operations.perform(key, Set("x"))
        for identity in ("role:admins", "*", "requiresAuthentication"):
            with refused(119, "Permission denied"):
                engine.accounts.sign_up(operations, Principal.anonymous(), object_id=identity)


def test_imported_hashes_verify_and_are_renewed() -> None:
    with open_engine() as engine:
        operations = OperationSet()
        operations.perform("username", Set("ada"))
        operations.perform("_hashed_password", Set(bcrypt.hashpw(b"pw", bcrypt.gensalt(4)).decode()))
        with pytest.raises(ParseError):
            engine.direct.create("_User", operations, Principal.master())
        engine.direct.create("_User", operations, Principal.maintenance(), object_id="ada")
        before = stored_secret(engine, "ada")
        assert "$2b$" in before
        for _ in range(2):
            assert PFUser.log_in("ada", "pw").object_id == "ada"
        assert "$argon2id$" in stored_secret(engine, "ada")


# --- typed and plain users ---


def test_users_hydrate_to_their_class() -> None:
    with open_engine():
        ada = PFUser.sign_up("ada", password="pw")
        deal = PFObject("Deal", owner=ada)
        deal.save()
        assert type(PFQuery("_User").first()) is PFUser
        assert type(PFQuery("Deal").first()["owner"]) is PFUser
        assert type(PFQuery("_Session").first()) is PFSession


def test_typed_users() -> None:
    with parsekit.open(":memory:", classes=[Agent]):
        ada = Agent.sign_up("ada", password="pw", region="north")
        assert type(ada) is Agent and type(PFUser.current()) is Agent
        assert PFQuery(Agent).first().region == "north"
        with pytest.raises(TypeError, match="regoin"):
            Agent.sign_up("bob", password="pw", regoin="x")


def test_what_cannot_be_assigned() -> None:
    with open_engine():
        ada = PFUser.sign_up("ada", password="pw")
        with pytest.raises(EngineError, match="sessionToken"):
            ada["sessionToken"] = "r:x"
        with pytest.raises(EngineError, match="username"):
            del ada["username"]
        with pytest.raises(EngineError, match="can be set, not read"):
            _ = ada.password
        ada["emailVerified"] = True
        with refused(119, "Permission denied"):
            ada.save()


# --- roles ---


def make_role(name: str, *members: PFObject) -> PFRole:
    role = PFRole(name, acl=PFACL())
    for member in members:
        (role.roles if isinstance(member, PFRole) else role.users).add_object(member)
    role.save()
    return role


def test_roles_open_and_close_at_once() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        acl = PFACL()
        acl.set_read_access(True, for_role_with_name="sales")
        with engine.acting_as_master():
            PFObject("Doc", ACL=acl).save()
            managers = make_role("managers", ada)
        assert PFQuery("Doc").count() == 0
        with engine.acting_as_master():
            sales = make_role("sales", managers)
        assert PFQuery("Doc").count() == 1
        with engine.acting_as_master():
            managers.users.remove_object(ada)
            managers.save()
        assert PFQuery("Doc").count() == 0
        with engine.acting_as_master():
            sales.users.add_object(ada)
            sales.save()
            assert [user.object_id for user in sales.users.query().find()] == [ada.object_id]
        assert PFQuery("Doc").count() == 1
        with engine.acting_as_master():
            sales.delete()
        assert PFQuery("Doc").count() == 0


def test_roles_change_for_other_engines_too(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    with open_engine(path=path) as here, open_engine(path=path) as there:
        with here.acting_as_master():
            ada = PFUser(username="ada", password="pw")
            ada.save()
            acl = PFACL()
            acl.set_read_access(True, for_role_with_name="sales")
            PFObject("Doc", ACL=acl).save()
        principal = Principal.user(ada.object_id)
        assert there.count_objects(QueryState("Doc"), principal) == 0
        with here.acting_as_master():
            make_role("sales", ada)
        assert there.count_objects(QueryState("Doc"), principal) == 1


def test_only_writers_of_a_role_change_its_members() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        with engine.acting_as_master():
            role = make_role("sales")
        role = PFRole.without_data("_Role", role.object_id)
        role.users.add_object(ada)
        with refused(101, "Object not found."):
            role.save()


def test_names_of_roles() -> None:
    with open_engine() as engine, engine.acting_as_master():
        with refused(139, "Role's name is invalid."):
            PFRole("bad name!")
        with pytest.raises(EngineError, match="new roles must specify a name"):
            PFRole(acl=PFACL()).save()
        with refused(111, "ACL is required."):
            PFRole("sales").save()
        role = make_role("sales")
        with pytest.raises(EngineError, match="only be set before"):
            role.name = "other"
        with refused(137, "duplicate value"):
            make_role("sales")


# --- what never shows ---


def stored_secret(engine: parsekit.ParseEngine, user_id: str) -> str:
    from parsekit.storage.users import read_secret

    layout = engine.store.catalog.layouts["_User"]
    return read_secret(engine.store.database.reader(), layout, user_id) or ""


SECRET = "correct-horse-battery"


def test_a_password_is_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "x.db"
    changes: list[object] = []
    with open_engine(path=str(path)) as engine:
        engine.on_changes(changes.extend)
        ada = PFUser.sign_up("ada", password=SECRET)
        ada.password = SECRET + "2"
        assert SECRET not in repr(ada) and "password" not in ada.to_json()
        ada.save()
        for text in (repr(ada), str(ada.to_json()), repr(PFUser.current()), repr(engine.accounts)):
            assert SECRET not in text and ada.session_token not in text
        with engine.acting_as_master():
            seen = PFQuery(PFUser).first()
            assert set(seen.keys()) == {"username", "ACL"}
        assert SECRET not in stored_secret(engine, ada.object_id)
        with pytest.raises(ParseError) as caught:
            PFUser.log_in("ada", SECRET)
        assert SECRET not in f"{caught.value!r}{caught.value!s}"
        assert SECRET not in str([(change.before, change.after) for change in changes])
    assert SECRET not in caplog.text
    for part in tmp_path.iterdir():
        assert SECRET.encode() not in part.read_bytes()


def test_hashes_are_out_of_reach_of_queries() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        for key in ("_secret", "_hashed_password", "password"):
            for principal in (Principal.user(ada.object_id), Principal.master()):
                state = QueryState("_User", Constraint(key, "$exists", True))
                try:
                    found = engine.find_objects(state, principal)
                except ParseError as error:
                    assert "$argon2" not in str(error)
                else:
                    assert found == []


def test_a_token_is_not_in_the_repr_of_what_carries_it() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        token = ada.session_token
        signed = engine.accounts.log_in("ada", "pw")
        carriers = [ada, signed, PFSession.current(), engine.principal_for_session(token)]
        assert not any(secret in repr(item) for item in carriers for secret in (token, signed.token))
        assert Pointer("_User", ada.object_id) == ada.__parse_pointer__()
