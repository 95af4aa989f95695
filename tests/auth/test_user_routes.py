"""The REST routes of users that the recorded scenarios do not visit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parsekit.auth import RecordingMailAdapter, TokenTableAdapter
from parsekit.server import Dispatcher, Request, Response, ServerOptions
from tests.auth.kit import open_engine

OPTIONS = ServerOptions(app_id="app", master_key="master", read_only_master_key="reader")
ADA = {"id": "a1", "access_token": "ta"}


class Client:
    def __init__(self, **options: Any) -> None:
        self.mail = RecordingMailAdapter()
        self.engine = open_engine(
            email_adapter=self.mail, auth={"club": TokenTableAdapter({"a1": "ta"})}, **options
        )
        self.dispatcher = Dispatcher(self.engine, OPTIONS)

    def __call__(
        self, method: str, path: str, *, token: str = "", key: str = "", params: Any = None, **body: Any
    ) -> Response:
        headers = {"x-parse-application-id": "app", "x-parse-installation-id": "phone"}
        if token:
            headers["x-parse-session-token"] = token
        if key:
            headers["x-parse-master-key"] = key
        return self.dispatcher.handle(Request(method, path, params or {}, json.dumps(body).encode(), headers))


@pytest.fixture
def client():
    client = Client()
    yield client
    client.engine.close()


def sign_up(client: Client, name: str = "ada") -> Any:
    return client("POST", "/users", username=name, password="pw", email=f"{name}@x.com").body


def test_log_in_by_url_and_by_address(client: Client) -> None:
    sign_up(client)
    for params in ({"username": "ada", "password": "pw"}, {"email": "ada@x.com", "password": "pw"}):
        answer = client("GET", "/login", params=params)
        assert answer.status == 200 and answer.body["sessionToken"].startswith("r:")
        assert "password" not in answer.body
    answer = client("POST", "/login", username="ada", email="other@x.com", password="pw")
    assert (answer.status, answer.body["code"]) == (404, 101)


def test_a_session_belongs_to_its_installation(client: Client) -> None:
    first = sign_up(client)["sessionToken"]
    second = client("POST", "/login", username="ada", password="pw").body["sessionToken"]
    assert client("GET", "/users/me", token=first).body["code"] == 209
    assert client("GET", "/sessions/me", token=second).body["installationId"] == "phone"
    user = client("GET", "/users/me", token=second).body
    changed = client("PUT", f"/users/{user['objectId']}", token=second, password="new").body
    assert client("GET", "/sessions/me", token=changed["sessionToken"]).body["installationId"] == "phone"


def test_log_in_as_is_a_writing_masters(client: Client) -> None:
    user_id = sign_up(client)["objectId"]
    answer = client("POST", "/loginAs", key="master", userId=user_id)
    session = client("GET", "/sessions/me", token=answer.body["sessionToken"]).body
    assert session["createdWith"] == {"action": "login", "authProvider": "masterkey"}
    for key in ("", "reader"):
        assert client("POST", "/loginAs", key=key, userId=user_id).body["code"] == 119
    assert client("POST", "/loginAs", key="master", userId="nobody").body["code"] == 101
    assert client("POST", "/loginAs", key="master").body["code"] == 162


def test_verifying_a_password_begins_no_session(client: Client) -> None:
    sign_up(client)
    answer = client("POST", "/verifyPassword", username="ada", password="pw")
    assert answer.status == 200 and "sessionToken" not in answer.body
    assert client("POST", "/verifyPassword", username="ada", password="x").status == 404
    count = client("GET", "/sessions", key="master", params={"count": "1", "limit": "0"}).body["count"]
    assert count == 1


def test_resets_by_mail(client: Client) -> None:
    sign_up(client)
    assert client("POST", "/requestPasswordReset", email="ada@x.com").body == {}
    assert client("POST", "/requestPasswordReset", email="nobody@x.com").body == {}
    assert [mail.to for mail in client.mail.sent] == ["ada@x.com"]
    assert client("POST", "/requestPasswordReset").body["code"] == 204
    assert client("POST", "/verificationEmailRequest", email="nobody@x.com").body == {}


def test_sign_up_and_log_in_with_an_account(client: Client) -> None:
    first = client("POST", "/users", authData={"club": ADA})
    assert first.status == 201 and first.body["authDataResponse"] == {}
    again = client("POST", "/users", authData={"club": ADA})
    assert (again.status, again.body["objectId"]) == (200, first.body["objectId"])
    assert again.body["authData"] == {"club": ADA}
    path = f"/users/{first.body['objectId']}"
    client("PUT", path, key="master", ACL={})
    assert client("POST", "/users", authData={"club": ADA}).body["code"] == 101


def test_a_session_is_upgraded(client: Client) -> None:
    token = sign_up(client)["sessionToken"]
    answer = client("POST", "/upgradeToRevocableSession", token=token)
    assert answer.body["createdWith"] == {"action": "upgrade"}
    assert client("GET", "/users/me", token=answer.body["sessionToken"]).status == 200
    assert client("POST", "/upgradeToRevocableSession").body["code"] == 101


def test_challenges_without_a_provider_are_refused(client: Client) -> None:
    assert client("POST", "/challenge", challengeData={"nope": 1}).body["code"] == 252
    assert client("POST", "/challenge").body["code"] == -1
    answer = client("POST", "/challenge", challengeData={"club": 1}, authData={"club": ADA})
    assert answer.body["error"] == "User not found."


def test_requests_and_calls_keep_secrets_out_of_their_repr() -> None:
    request = Request("POST", "/login", {"password": "hush"}, b"hush", {"x-parse-master-key": "hush"})
    assert "hush" not in repr(request) and "hush" not in repr(Response(200, {"sessionToken": "hush"}))
    assert "master" not in repr(OPTIONS).replace("master_key", "")
