"""Verification of addresses and resets of passwords, as flows of tokens."""

from __future__ import annotations

import pytest

from parsekit import ParseError, PFQuery, PFUser
from parsekit.auth import AccountLockout, PasswordPolicy, RecordingMailAdapter
from tests.auth.kit import Clock, open_engine
from tests.auth.test_policy import refused


@pytest.fixture
def mail() -> RecordingMailAdapter:
    return RecordingMailAdapter()


def test_a_reset_sets_the_password_once(mail: RecordingMailAdapter) -> None:
    with open_engine(email_adapter=mail, public_server_url="https://x.com/parse") as engine:
        token = PFUser.sign_up("ada", password="old", email="ada@x.com").session_token
        PFUser.log_out()
        PFUser.request_password_reset("ada@x.com")
        [sent] = mail.sent
        assert (sent.kind, sent.to) == ("reset_password", "ada@x.com")
        assert sent.link == f"https://x.com/parse/apps/parsekit/request_password_reset?token={sent.token}"
        tokens = engine.accounts.mail_tokens
        tokens.reset_password(sent.token, "new")
        assert PFUser.log_in("ada", "new").username == "ada"
        with refused(-1, "Failed to reset password"):
            tokens.reset_password(sent.token, "again")
        with refused(209, "Invalid session token"):
            PFUser.become(token)


def test_a_reset_token_expires(mail: RecordingMailAdapter) -> None:
    clock = Clock()
    policy = PasswordPolicy(reset_token_validity_duration=60)
    with open_engine(clock, email_adapter=mail, password_policy=policy) as engine:
        PFUser.sign_up("ada", password="old", email="ada@x.com")
        PFUser.request_password_reset("ada@x.com")
        clock.pass_time(seconds=61)
        with refused(-1, "The password reset link has expired"):
            engine.accounts.mail_tokens.reset_password(mail.sent[0].token, "new")


@pytest.mark.parametrize("reuse", [True, False])
def test_a_reset_token_is_sent_again_by_option(mail: RecordingMailAdapter, reuse: bool) -> None:
    policy = PasswordPolicy(reset_token_validity_duration=60, reset_token_reuse_if_valid=reuse)
    with open_engine(email_adapter=mail, password_policy=policy):
        PFUser.sign_up("ada", password="old", email="ada@x.com")
        for _ in range(2):
            PFUser.request_password_reset("ada@x.com")
        assert (mail.sent[0].token == mail.sent[1].token) is reuse


def test_a_new_password_or_address_ends_the_token(mail: RecordingMailAdapter) -> None:
    with open_engine(email_adapter=mail) as engine:
        ada = PFUser.sign_up("ada", password="old", email="ada@x.com")
        PFUser.request_password_reset("ada@x.com")
        ada.email = "new@x.com"
        ada.save()
        with refused(-1, "Failed to reset password"):
            engine.accounts.mail_tokens.reset_password(mail.sent[0].token, "new")


def test_a_reset_obeys_the_policy_and_unlocks(mail: RecordingMailAdapter) -> None:
    lockout = AccountLockout(duration=5, threshold=1, unlock_on_password_reset=True)
    policy = PasswordPolicy(validator_pattern=r"\d")
    with open_engine(email_adapter=mail, password_policy=policy, account_lockout=lockout) as engine:
        PFUser.sign_up("ada", password="old1", email="ada@x.com")
        with refused(101, "Invalid"):
            PFUser.log_in("ada", "wrong")
        with refused(101, "locked"):
            PFUser.log_in("ada", "old1")
        PFUser.request_password_reset("ada@x.com")
        with refused(142, "Policy"):
            engine.accounts.mail_tokens.reset_password(mail.sent[0].token, "letters")
        engine.accounts.mail_tokens.reset_password(mail.sent[0].token, "new1")
        PFUser.log_in("ada", "new1")


def test_unknown_addresses_are_not_told_apart(mail: RecordingMailAdapter) -> None:
    with open_engine(email_adapter=mail):
        PFUser.request_password_reset("nobody@x.com")
        assert mail.sent == []
    policy = PasswordPolicy(reset_password_success_on_invalid_email=False)
    with open_engine(email_adapter=mail, password_policy=policy), refused(205, "does not exist"):
        PFUser.request_password_reset("nobody@x.com")


def test_what_an_address_has_to_be(mail: RecordingMailAdapter) -> None:
    with open_engine(email_adapter=mail) as engine:
        for ask in (PFUser.request_password_reset, engine.accounts.mail_tokens.request_verification):
            with refused(204, "you must provide an email"):
                ask("")
            with refused(125, "you must provide a valid email string"):
                ask(5)
    with open_engine(), refused(1, "emailAdapter"):
        PFUser.request_password_reset("ada@x.com")


def test_addresses_are_verified(mail: RecordingMailAdapter) -> None:
    options = {"verify_user_emails": True, "email_verify_success_on_invalid_email": False}
    with open_engine(email_adapter=mail, **options) as engine:
        ada = PFUser.sign_up("ada", password="pw", email="ada@x.com")
        assert ada["emailVerified"] is False
        tokens = engine.accounts.mail_tokens
        tokens.verify_email(mail.sent[0].token)
        assert ada.fetch()["emailVerified"] is True
        with refused(-1, "Invalid or expired"):
            tokens.verify_email(mail.sent[0].token)
        with refused(-1, "Email ada@x.com is already verified."):
            tokens.request_verification("ada@x.com")
        ada.email = "new@x.com"
        ada.save()
        assert ada.fetch()["emailVerified"] is False
        assert [sent.to for sent in mail.sent] == ["ada@x.com", "new@x.com"]


def test_a_refused_sign_up_sends_nothing(mail: RecordingMailAdapter) -> None:
    with open_engine(email_adapter=mail, verify_user_emails=True) as engine:
        PFUser.sign_up("ada", password="pw", email="ada@x.com")
        with refused(202, "Account already exists"):
            PFUser.sign_up("Ada", password="pw", email="other@x.com")
        with pytest.raises(ParseError), engine.transaction():
            PFUser.sign_up("bob", password="pw", email="bob@x.com")
            PFUser.sign_up("ada", password="pw")
        assert len(mail.sent) == 1


def test_unverified_users_do_not_log_in(mail: RecordingMailAdapter) -> None:
    options = {"verify_user_emails": True, "prevent_login_with_unverified_email": True}
    with open_engine(email_adapter=mail, **options) as engine:
        ada = PFUser.sign_up("ada", password="pw", email="ada@x.com")
        assert ada.session_token is None and PFUser.current() is None
        with refused(205, "User email is not verified."):
            PFUser.log_in("ada", "pw")
        engine.accounts.mail_tokens.request_verification("ada@x.com")
        with refused(-1, "Invalid or expired"):
            engine.accounts.mail_tokens.verify_email(mail.sent[0].token)
        engine.accounts.mail_tokens.verify_email(mail.sent[1].token)
        assert PFUser.log_in("ada", "pw").is_authenticated


def test_sign_up_without_a_verified_address_may_be_prevented(mail: RecordingMailAdapter) -> None:
    options = {"verify_user_emails": True, "prevent_login_with_unverified_email": True}
    with open_engine(email_adapter=mail, **options, prevent_signup_with_unverified_email=True) as engine:
        with refused(205, "User email is not verified."):
            PFUser.sign_up("ada", password="pw", email="ada@x.com")
        assert PFUser.current() is None
        with engine.acting_as_master():
            assert PFQuery(PFUser).count() == 1  # who waits for the mail
        assert mail.sent[0].to == "ada@x.com"
    with open_engine(email_adapter=mail, verify_user_emails=True, prevent_signup_with_unverified_email=True):
        PFUser.sign_up("bob", password="pw", email="bob@x.com")  # may log in, and so may sign up
        assert PFUser.current() is not None


def test_mail_tells_nothing_in_its_repr(mail: RecordingMailAdapter) -> None:
    with open_engine(email_adapter=mail):
        PFUser.sign_up("ada", password="old", email="ada@x.com")
        PFUser.request_password_reset("ada@x.com")
        assert mail.sent[0].token not in repr(mail.sent)
