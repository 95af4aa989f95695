"""Accounts of other services: log-in, link, unlink, second factors, challenges, anonymous users."""

from __future__ import annotations

from parsekit import PFObject, PFQuery, PFUser, Principal
from parsekit.auth import AuthAdapter, AuthOutcome, TokenTableAdapter
from parsekit.query.ast import Constraint
from parsekit.query.state import QueryState
from tests.auth.kit import open_engine
from tests.auth.test_policy import refused

ADA = {"id": "a1", "access_token": "ta"}
BOB = {"id": "b1", "access_token": "tb"}


def service(policy="default") -> TokenTableAdapter:
    return TokenTableAdapter({"a1": "ta", "b1": "tb"}, policy=policy)


def test_the_first_log_in_signs_up_and_the_next_finds_the_user() -> None:
    with open_engine(auth={"club": service()}) as engine:
        ada = PFUser.log_in_with("club", ADA)
        assert len(ada.username) == 25 and ada["authData"] == {"club": ADA}
        again = PFUser.log_in_with("club", ADA)
        assert again == ada and again.session_token != ada.session_token
        with engine.acting_as_master():
            assert PFQuery(PFUser).count() == 1


def test_wrong_tokens_and_unknown_services_are_refused() -> None:
    with open_engine(auth={"club": service()}):
        with refused(101, "Auth data is invalid"):
            PFUser.log_in_with("club", {"id": "a1", "access_token": "x"})
        with refused(252, "This authentication method is unsupported."):
            PFUser.log_in_with("other", ADA)
        for useless in ({}, {"id": ""}, {"id": {"$ne": 1}}, {"id": True}):
            with refused(200, "bad or missing username"):
                PFUser.log_in_with("club", useless)


def test_link_and_unlink() -> None:
    with open_engine(auth={"club": service()}) as engine:
        ada = PFUser.sign_up("ada", password="pw")
        token = ada.session_token
        ada.link_with("club", ADA)
        assert ada.is_linked_with("club") and ada.session_token == token
        bob = PFUser.sign_up("bob", password="pw")
        with refused(208, "this auth is already used"):
            bob.link_with("club", ADA)
        assert not bob.is_linked_with("club") and not bob.is_dirty
        with engine.acting_as(ada):
            ada.unlink_with("club")
            assert not ada.is_linked_with("club")
        with engine.acting_as(bob):
            bob.link_with("club", ADA)


def test_a_linked_account_is_not_logged_in_to_by_another_user() -> None:
    with open_engine(auth={"club": service()}):
        PFUser.log_in_with("club", ADA)
        PFUser.sign_up("bob", password="pw")
        with refused(208, "this auth is already used"):
            PFUser.log_in_with("club", ADA)
        with refused(101, "Auth data is invalid"):
            PFUser.log_in_with("club", {"id": "a1", "access_token": "guess"})


def test_a_second_factor_has_to_come_along() -> None:
    with open_engine(auth={"otp": service("additional")}):
        ada = PFUser.sign_up("ada", password="pw")
        ada.link_with("otp", ADA)
        with refused(-1, "Missing additional authData otp"):
            PFUser.log_in("ada", "pw")
        with refused(101, "Auth data is invalid"):
            PFUser.log_in("ada", "pw", auth_data={"otp": {"id": "a1", "access_token": "x"}})
        assert PFUser.log_in("ada", "pw", auth_data={"otp": ADA}) == ada


class Remembering(AuthAdapter):
    """Stores less than it is sent, and answers something."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str | None]] = []

    def validate(self, auth_data, step, user_id):
        self.steps.append((step, user_id))
        return AuthOutcome(save={"id": auth_data["id"]}, response={"hello": auth_data["id"]})

    def challenge(self, challenge_data, auth_data, user_id):
        return {"for": user_id, "sent": challenge_data}


def test_an_adapter_says_what_is_stored_and_answered() -> None:
    adapter = Remembering()
    with open_engine(auth={"club": adapter}) as engine:
        signed = engine.accounts.sign_up(
            _operations(authData={"club": {"id": "a1", "code": "123"}}), Principal.anonymous()
        )
        assert signed.echo["authDataResponse"] == {"club": {"hello": "a1"}}
        assert signed.user["authData"] == {"club": {"id": "a1"}}
        PFUser.log_in_with("club", {"id": "a1", "code": "456"})
        assert adapter.steps == [("set_up", None), ("login", signed.user.object_id)]


def test_challenges() -> None:
    with open_engine(auth={"club": Remembering()}) as engine:
        ada = PFUser.sign_up("ada", password="pw")
        challenge = engine.accounts.challenge
        answer = challenge({"club": 1}, username="ada", password="pw")
        assert answer == {"club": {"for": ada.object_id, "sent": 1}}
        with refused(-1, "Nothing to challenge."):
            challenge(None)
        with refused(-1, "challengeData should be an object."):
            challenge("x")
        with refused(-1, "you need to also provide password."):
            challenge({"club": 1}, username="ada")
        with refused(101, "User not found."):
            challenge({"club": 1}, auth_data={"club": {"id": "nobody"}})


def _operations(**fields):
    from parsekit.auth.sessions import operations_of

    return operations_of(fields)


def test_anonymous_users_keep_their_objects() -> None:
    with open_engine():
        anonymous = PFUser.log_in_anonymously()
        assert anonymous.is_linked_with("anonymous")
        PFObject("Note", text="mine").save()
        anonymous.username, anonymous.password = "ada", "pw"
        anonymous.save()
        assert not anonymous.is_linked_with("anonymous")
        assert PFUser.log_in("ada", "pw") == anonymous
        assert not PFUser.current().is_linked_with("anonymous")


def test_anonymous_users_may_be_switched_off() -> None:
    with open_engine(enable_anonymous_users=False), refused(252, "unsupported"):
        PFUser.log_in_anonymously()


def test_auth_data_is_shown_to_its_user_alone() -> None:
    with open_engine(auth={"club": service()}) as engine:
        ada = PFUser.log_in_with("club", ADA)
        acl = ada.acl
        acl.public_read_access = True
        ada.acl = acl
        ada.save()
        PFUser.sign_up("bob", password="pw")
        seen = PFQuery(PFUser).get(ada.object_id)
        assert "authData" not in seen and "email" not in seen
        with refused(119, "Permission denied"):
            engine.find_objects(
                QueryState("_User", Constraint("authData.club.id", "$exists", True)),
                Principal.user(PFUser.current().object_id),
            )
