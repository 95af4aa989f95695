"""Sessions: tokens, expiry, renewal, revocation, one per installation, what a client may change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parsekit import ParseError, PFQuery, PFSession, PFUser, Principal
from parsekit.errors import EngineError, InvalidSessionTokenError, KeyNameError, ObjectNotFoundError
from parsekit.operations import OperationSet, Set
from tests.auth.kit import Clock, open_engine

PHONE = Principal.anonymous(installation_id="phone")


def log_in(engine, installation: str | None = None) -> str:
    principal = Principal.anonymous(installation_id=installation)
    return engine.accounts.log_in("ada", "pw", principal=principal).token


def test_a_token_is_r_and_32_hex_digits() -> None:
    with open_engine() as engine:
        token = PFUser.sign_up("ada", password="pw").session_token
        assert re.fullmatch(r"r:[0-9a-f]{32}", token)
        assert engine.principal_for_session(token) == Principal.user(PFUser.current().object_id)


def test_unknown_and_expired_tokens() -> None:
    clock = Clock()
    with open_engine(clock, session_length=3600) as engine:
        token = PFUser.sign_up("ada", password="pw").session_token
        clock.pass_time(minutes=59)
        engine.principal_for_session(token)
        clock.pass_time(minutes=2)
        with pytest.raises(InvalidSessionTokenError, match="Session token is expired"):
            engine.principal_for_session(token)
        with pytest.raises(InvalidSessionTokenError, match="Invalid session token"):
            engine.principal_for_session("r:nonsense")


def test_sessions_may_live_for_ever() -> None:
    clock = Clock()
    with open_engine(clock, expire_inactive_sessions=False) as engine:
        token = PFUser.sign_up("ada", password="pw").session_token
        assert PFSession.current().expires_at is None
        clock.pass_time(days=10_000)
        engine.principal_for_session(token)


def test_a_session_in_use_is_renewed_past_its_half() -> None:
    clock = Clock()
    with open_engine(clock, session_length=100, extend_session_on_use=True) as engine:
        token = PFUser.sign_up("ada", password="pw").session_token
        for _ in range(5):
            clock.pass_time(seconds=60)
            engine.principal_for_session(token)
        clock.pass_time(seconds=101)
        with pytest.raises(InvalidSessionTokenError):
            engine.principal_for_session(token)


def test_one_session_an_installation() -> None:
    with open_engine() as engine:
        PFUser.sign_up("ada", password="pw")
        first, other = log_in(engine, "phone"), log_in(engine, "desk")
        second = log_in(engine, "phone")
        for token in (second, other):
            engine.principal_for_session(token)
        with pytest.raises(InvalidSessionTokenError):
            engine.principal_for_session(first)


def test_a_new_password_ends_all_sessions_and_begins_one() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        before, elsewhere = ada.session_token, log_in(engine)
        ada.password = "new"
        ada.save()
        assert ada.session_token not in (before, None)
        assert PFUser.current().session_token == ada.session_token
        engine.principal_for_session(ada.session_token)
        for token in (before, elsewhere):
            with pytest.raises(InvalidSessionTokenError):
                engine.principal_for_session(token)


def test_a_master_sets_a_password_without_becoming_the_user() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        token = ada.session_token
        with engine.acting_as_master():
            ada.password = "new"
            ada.save()
            assert PFQuery("_Session").count() == 0
        with pytest.raises(InvalidSessionTokenError):
            engine.principal_for_session(token)


def test_sessions_survive_a_password_by_option() -> None:
    with open_engine(revoke_session_on_password_reset=False) as engine:
        ada = PFUser.sign_up("ada", password="pw")
        token = ada.session_token
        ada.password = "new"
        ada.save()
        engine.principal_for_session(token)


def test_a_deleted_user_has_no_sessions() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        token = ada.session_token
        ada.delete()
        with pytest.raises(InvalidSessionTokenError):
            engine.principal_for_session(token)
        with engine.acting_as_master():
            assert PFQuery("_Session").count() == 0


def test_another_engine_notices_a_log_out(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    with open_engine(path=path) as here, open_engine(path=path) as there:
        with here.acting_as(Principal.anonymous()):
            token = PFUser.sign_up("ada", password="pw").session_token
            for _ in range(2):
                there.principal_for_session(token)
            PFUser.log_out()
        with pytest.raises(InvalidSessionTokenError):
            there.principal_for_session(token)


def test_users_see_their_own_sessions_only() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        PFUser.sign_up("bob", password="pw")
        mine = PFSession.current()
        assert [session.object_id for session in PFQuery(PFSession).find()] == [mine.object_id]
        assert mine.user.object_id != ada.object_id
        assert mine.created_with == {"action": "signup", "authProvider": "password"}
        with engine.acting_as(ada), pytest.raises(ObjectNotFoundError):
            PFQuery(PFSession).get(mine.object_id)


def test_a_client_makes_a_session_beside_its_own() -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        operations = OperationSet()
        for key, value in {"label": "tv", "sessionToken": "r:mine", "createdWith": {"action": "x"}}.items():
            operations.perform(key, Set(value))
        answer = engine.direct.create("_Session", operations, Principal.user(ada.object_id))
        token = answer.echo["sessionToken"]
        assert token != "r:mine" and answer.echo["createdWith"] == {"action": "create"}
        assert answer.echo["label"] == "tv"
        assert engine.principal_for_session(token).user_id == ada.object_id


@pytest.mark.parametrize("key", ["sessionToken", "installationId", "expiresAt", "createdWith", "user", "ACL"])
def test_a_client_does_not_change_its_session(key: str) -> None:
    with open_engine() as engine:
        ada = PFUser.sign_up("ada", password="pw")
        session = PFSession.current()
        operations = OperationSet()
        operations.perform(key, Set({}))
        with pytest.raises(KeyNameError):
            engine.direct.update("_Session", session.object_id, operations, Principal.user(ada.object_id))
        if key != "ACL":
            with pytest.raises(EngineError, match="read-only"):
                session[key] = "x"


def test_nobody_has_no_sessions() -> None:
    with open_engine() as engine:
        with pytest.raises(InvalidSessionTokenError, match="Session token required"):
            PFSession.current()
        with pytest.raises(ParseError) as caught:
            engine.direct.create("_Session", OperationSet(), Principal.anonymous())
        assert caught.value.code == 209
