"""How long a refusal takes does not tell whether there is such a user.

Measured in CPU time of this thread, which other processes do not disturb, the ways taking turns. The slack is wide:
what the test is to catch is a refusal without the work of a hash, which is a hundred times faster.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import pytest

import parsekit
from parsekit import PFUser
from parsekit.auth import AuthOptions, PasswordCost
from parsekit.errors import ObjectNotFoundError
from parsekit.interchange import Record, import_objects

ROUNDS = 25
SLACK = 1.3


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    cost = PasswordCost(time_cost=2, memory_kib=4_096, parallelism=1, scrypt_log_n=12)
    with parsekit.open(auth=AuthOptions(password_cost=cost)) as engine:
        PFUser.sign_up("ada", password="right", email="ada@example.com")
        PFUser.log_out()
        with engine.acting_as_master():
            import_objects(engine, [Record("_User", {"objectId": "old", "username": "without password"})])
        engine.accounts.passwords.prepare()
        yield engine


def refusal_s(username: str, log_in: Callable[[str, str], PFUser]) -> tuple[float, str]:
    start = time.thread_time()
    try:
        log_in(username, "wrong")
    except ObjectNotFoundError as error:
        return time.thread_time() - start, str(error)
    raise AssertionError("logged in with a wrong password")


@pytest.mark.parametrize("log_in", [PFUser.log_in, PFUser.verify_password], ids=["log_in", "verify_password"])
def test_an_unknown_user_takes_as_long_as_a_wrong_password(
    engine: parsekit.ParseEngine, log_in: Callable[[str, str], PFUser]
) -> None:
    names = ("ada", "ada@example.com", "without password", "nobody", "nobody@example.com")
    times: dict[str, list[float]] = {name: [] for name in names}
    texts = set()
    for number in range(ROUNDS):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            taken, text = refusal_s(name, log_in)
            times[name].append(taken)
            texts.add(text)
    assert texts == {"Invalid username/password."}
    typical = {name: statistics.median(taken) for name, taken in times.items()}
    assert max(typical.values()) < SLACK * min(typical.values()), typical
    assert min(typical.values()) > 0.001
