"""Hashes: schemes, upgrades, salts, and constant work where there is no user."""

from __future__ import annotations

import itertools
import sys

import bcrypt
import pytest

from parsekit import EngineError
from parsekit.auth.passwords import Passwords, scheme_of
from parsekit.auth.secrets import UserSecrets
from tests.auth.kit import CHEAP


def counting_bytes():
    numbers = itertools.count()
    return lambda size: next(numbers).to_bytes(size, "big")


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(CHEAP, counting_bytes())


@pytest.fixture
def without_argon2(monkeypatch: pytest.MonkeyPatch) -> Passwords:
    monkeypatch.setitem(sys.modules, "argon2", None)
    return Passwords(CHEAP, counting_bytes())


def test_a_hash_verifies_its_password_alone(passwords: Passwords) -> None:
    stored = passwords.hash("påss")
    assert scheme_of(stored) == "argon2" and "$argon2id$" in stored
    assert passwords.verify("påss", stored)
    assert not passwords.verify("pass", stored)


def test_the_same_password_is_salted_anew(passwords: Passwords) -> None:
    assert passwords.hash("x") != passwords.hash("x")


def test_scrypt_serves_without_argon2(without_argon2: Passwords) -> None:
    stored = without_argon2.hash("x")
    assert scheme_of(stored) == "scrypt"
    assert without_argon2.verify("x", stored) and not without_argon2.verify("y", stored)
    assert not without_argon2.is_outdated(stored)


def test_an_argon2_hash_without_argon2_is_misuse(passwords: Passwords, without_argon2: Passwords) -> None:
    with pytest.raises(EngineError, match=r"parsekit\[auth\]"):
        without_argon2.verify("x", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA")


def test_bcrypt_hashes_verify_and_are_outdated(passwords: Passwords) -> None:
    stored = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    assert passwords.verify("secret", stored) and not passwords.verify("Secret", stored)
    assert passwords.is_outdated(stored)
    long = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert passwords.verify("x" * 100, long)  # Node's bcrypt cuts at 72 bytes


def test_another_cost_is_outdated(passwords: Passwords) -> None:
    dearer = Passwords(CHEAP.__class__(time_cost=2, memory_kib=64, parallelism=1), counting_bytes())
    assert dearer.is_outdated(passwords.hash("x"))
    assert not passwords.is_outdated(passwords.hash("x"))


@pytest.mark.parametrize("damaged", ["", "plain", "$argon2id$nonsense", "$scrypt$ln=x$a$b", "$2b$04$short"])
def test_a_damaged_hash_matches_nothing(passwords: Passwords, damaged: str) -> None:
    assert not passwords.verify("x", damaged)


def test_no_hash_costs_one_verification(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords.prepare()
    asked: list[str] = []
    real = passwords._matches
    monkeypatch.setattr(
        passwords, "_matches", lambda word, stored: asked.append(stored) or real(word, stored)
    )
    assert not passwords.verify("x", None)
    assert len(asked) == 1 and scheme_of(asked[0]) == "argon2"


def test_secrets_round_trip_and_tell_nothing() -> None:
    secrets = UserSecrets(password="$hash", history=["$old"], failed_logins=2, reset_token="tok")
    assert UserSecrets.from_text(secrets.to_text()) == secrets
    assert UserSecrets.from_text(None) == UserSecrets()
    assert "$" not in repr(secrets) and "tok" not in repr(secrets)
