"""Bodies that are forms, where answers say objects are, and the context of a log-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from tests.server.caller import CLIENT, MASTER, Caller

FORM = {**CLIENT, "content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def engine() -> Iterator[parsekit.ParseEngine]:
    with parsekit.open(":memory:") as opened:
        yield opened


def test_a_form_is_a_body(engine: parsekit.ParseEngine) -> None:
    call = Caller(engine)
    call.sign_up("ada")
    assert call("POST", "/login", b"username=ada&password=p", headers=FORM).body["username"] == "ada"
    made = call("POST", "/classes/Deal", b"title=caf%C3%A9+au+lait&tag=a&tag=b&empty=", headers=FORM)
    shown = call("GET", f"/classes/Deal/{made.body['objectId']}").body
    assert (shown["title"], shown["tag"], shown["empty"]) == ("café au lait", ["a", "b"], "")


def test_json_under_the_name_of_a_form_is_json(engine: parsekit.ParseEngine) -> None:
    """curl's ``-d`` calls everything a form."""
    made = Caller(engine)("POST", "/classes/Deal", b'{"title": "a=b&c"}', headers=FORM)
    assert made.status == 201


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({}, "/parse"),
        ({"server_url": "http://localhost:1337/parse"}, "http://localhost:1337/parse"),
        (
            {"server_url": "http://localhost:1337/parse", "public_url": "https://a.example/p"},
            "https://a.example/p",
        ),
    ],
)
def test_a_location_begins_as_clients_reach_the_mount(
    engine: parsekit.ParseEngine, options: dict[str, str], base: str
) -> None:
    call = Caller(engine, **options)
    deal = call("POST", "/classes/Deal", {})
    assert deal.headers["Location"] == f"{base}/classes/Deal/{deal.body['objectId']}"
    user = call("POST", "/users", {"username": "ada", "password": "p"})
    assert user.headers["Location"] == f"{base}/users/{user.body['objectId']}"


def test_an_account_that_is_known_is_where_it_was(engine: parsekit.ParseEngine) -> None:
    call = Caller(engine)
    account = {"authData": {"anonymous": {"id": "00000000-0000-0000-0000-000000000001"}}}
    first, again = call("POST", "/users", account), call("POST", "/users", account)
    assert (first.status, again.status) == (201, 200)
    assert first.headers["Location"] == again.headers["Location"]


def test_the_hooks_of_a_log_in_have_its_context(engine: parsekit.ParseEngine) -> None:
    heard: list[tuple[str, Any]] = []

    @engine.cloud.before_login()
    def before(request: Any) -> None:
        heard.append(("before", dict(request.context)))

    @engine.cloud.after_login()
    def after(request: Any) -> None:
        heard.append(("after", dict(request.context)))

    call = Caller(engine)
    call.sign_up("ada")
    headers = {**CLIENT, "x-parse-cloud-context": '{"from": "the app"}'}
    heard.clear()
    assert call("POST", "/login", {"username": "ada", "password": "p"}, headers=headers).status == 200
    assert heard == [("before", {"from": "the app"}), ("after", {"from": "the app"})]


@pytest.mark.parametrize("where", [{"_rperm": "x"}, {"_rperm": "x", "n": 1}], ids=str)
def test_a_clients_readers_are_its_own(engine: parsekit.ParseEngine, where: dict[str, Any]) -> None:
    """A condition on ``_rperm`` gives way to them (DatabaseController.addReadACL); a master's stands."""
    call = Caller(engine)
    call("POST", "/classes/Deal", {"n": 1})
    assert len(call("GET", "/classes/Deal", where=where).body["results"]) == 1
    assert call("GET", "/classes/Deal", where=where, headers=MASTER).body["results"] == []
