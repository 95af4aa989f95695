"""Password policy, history, age and account lockout, through sign-ups and log-ins."""

from __future__ import annotations

import pytest

from parsekit import EngineError, ParseError, PFUser
from parsekit.auth import AccountLockout, PasswordPolicy
from tests.auth.kit import Clock, open_engine


def refused(code: int, text: str):
    return pytest.raises(ParseError, check=lambda error: error.code == code and text in error.message)


def test_pattern_and_callback_and_username() -> None:
    policy = PasswordPolicy(
        validator_pattern=r"\d", validator_callback=lambda word: len(word) > 3, do_not_allow_username=True
    )
    with open_engine(password_policy=policy):
        for word in ("letters", "a1"):
            with refused(142, "Password does not meet the Password Policy requirements."):
                PFUser.sign_up("ada", password=word)
        with refused(142, "Password cannot contain your username."):
            PFUser.sign_up("ada", password="1ada1")
        ada = PFUser.sign_up("ada", password="good1")
        ada.password = "ada11"
        with refused(142, "Password cannot contain your username."):
            ada.save()


def test_the_last_passwords_are_not_taken_again() -> None:
    with open_engine(password_policy=PasswordPolicy(max_password_history=3)):
        ada = PFUser.sign_up("ada", password="one")
        for word in ("two", "three"):
            ada.password = word
            ada.save()
        for word in ("one", "two", "three"):
            ada.password = word
            with refused(142, "New password should not be the same as last 3 passwords."):
                ada.save()
            ada.revert()
        ada.password = "four"
        ada.save()
        ada.password = "one"
        ada.save()


def test_the_history_is_limited() -> None:
    with pytest.raises(EngineError, match="between 0 and 20"):
        PasswordPolicy(max_password_history=21)


def test_a_password_grows_old() -> None:
    clock = Clock()
    with open_engine(clock, password_policy=PasswordPolicy(max_password_age=2)):
        ada = PFUser.sign_up("ada", password="one")
        clock.pass_time(days=1)
        PFUser.log_in("ada", "one")
        clock.pass_time(days=2)
        with refused(101, "Your password has expired. Please reset your password."):
            PFUser.log_in("ada", "one")
        ada.password = "two"
        ada.save()
        PFUser.log_in("ada", "two")


def test_an_account_is_locked_and_opens_again() -> None:
    clock = Clock()
    with open_engine(clock, account_lockout=AccountLockout(duration=5, threshold=3)):
        PFUser.sign_up("ada", password="right")
        for _ in range(3):
            with refused(101, "Invalid username/password."):
                PFUser.log_in("ada", "wrong")
        for word in ("right", "wrong"):
            with refused(101, "Please try again after 5 minute(s)"):
                PFUser.log_in("ada", word)
        clock.pass_time(minutes=6)
        PFUser.log_in("ada", "right")
        with refused(101, "Invalid username/password."):
            PFUser.log_in("ada", "wrong")


def test_a_right_password_forgets_the_wrong_ones() -> None:
    with open_engine(account_lockout=AccountLockout(duration=5, threshold=2)):
        PFUser.sign_up("ada", password="right")
        for _ in range(4):
            with refused(101, "Invalid username/password."):
                PFUser.log_in("ada", "wrong")
            PFUser.log_in("ada", "right")


def test_unknown_users_are_not_locked() -> None:
    with open_engine(account_lockout=AccountLockout(duration=5, threshold=1)):
        for _ in range(3):
            with refused(101, "Invalid username/password."):
                PFUser.log_in("nobody", "x")
