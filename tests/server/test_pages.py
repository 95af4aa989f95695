"""The pages of links in mails, and the mails that lead to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

import parsekit
from parsekit.auth import AuthOptions, PasswordPolicy
from parsekit.auth.mail import RecordingMailAdapter
from parsekit.cloud import SaveRequest
from parsekit.errors import ParseError
from parsekit.server import Response
from parsekit.server.options import PagesOptions
from parsekit.server.pages import PAGES
from tests.server.caller import CLIENT, Caller

URL = "http://x/parse"


class World:
    """A server with mail; ``clock[0]`` is its time."""

    def __init__(
        self, engine: parsekit.ParseEngine, mail: RecordingMailAdapter, clock: list[datetime]
    ) -> None:
        self.call = Caller(engine, public_url=URL)
        self.mail, self.clock = mail, clock
        self.headers = self.call.sign_up("ada", email="ada@x.de")

    def follow(self, **more: str) -> Response:
        """Open the link of the last mail."""
        parts = urlsplit(self.mail.sent[-1].link or "")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        return self.call("GET", parts.path.removeprefix("/parse"), headers={}, **{**query, **more})

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> Response:
        return self.call("POST", f"/apps/app/{path}", urlencode(form).encode(), headers=headers or {})

    @property
    def token(self) -> str:
        return self.mail.sent[-1].token

    def log_in(self, password: str) -> int:
        return self.call("POST", "/login", {"username": "ada", "password": password}).status

    def me(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "/users/me", headers=self.headers).body
        return found


@pytest.fixture
def world() -> Iterator[World]:
    yield from _world()


def _world(**more: Any) -> Iterator[World]:
    mail, clock = RecordingMailAdapter(), [datetime(2026, 1, 1, tzinfo=UTC)]
    auth = AuthOptions(
        email_adapter=mail, app_id="app", app_name="My <App>", public_server_url=URL, verify_user_emails=True,
        email_verify_token_validity_duration=60,
        password_policy=PasswordPolicy(reset_token_validity_duration=60, max_password_history=1),
        **more,
    )  # fmt: skip
    with parsekit.open(auth=auth, clock=lambda: clock[0]) as engine:
        yield World(engine, mail, clock)


def _title(response: Response) -> str:
    assert response.headers["Content-Type"].startswith("text/html")
    return str(response.body).partition("<h1>")[2].partition("</h1>")[0]


class TestVerification:
    def test_a_link_verifies_once(self, world: World) -> None:
        assert world.mail.sent[-1].link == f"{URL}/apps/app/verify_email?token={world.token}"
        assert world.me()["emailVerified"] is False
        shown = world.follow()
        assert (shown.status, _title(shown)) == (200, "Email verified!")
        assert shown.headers["X-Parse-Page-Param-appid"] == "app"
        assert world.me()["emailVerified"] is True
        assert _title(world.follow()) == "Invalid verification link!"

    def test_a_link_that_is_too_old(self, world: World) -> None:
        world.clock[0] += timedelta(minutes=2)
        shown = world.follow()
        assert _title(shown) == "Invalid verification link!"
        assert world.token in shown.body
        sent = world.post("resend_verification_email", token=world.token)
        assert sent.status == 303
        assert sent.headers["Location"].startswith(f"{URL}/apps/email_verification_send_success.html?")
        assert len(world.mail.sent) == 2
        assert _title(world.follow()) == "Email verified!"

    def test_whom_no_mail_is_sent_to_is_not_told(self, world: World) -> None:
        world.follow()
        for form in ({"username": "nobody"}, {"username": "ada"}, {"token": "none"}):
            assert "send_success" in world.post("resend_verification_email", **form).headers["Location"]
        assert len(world.mail.sent) == 1
        assert "link_invalid" in world.post("resend_verification_email").headers["Location"]

    def test_where_the_application_wants_to_tell(self) -> None:
        for world in _world(email_verify_success_on_invalid_email=False):
            assert "send_fail" in world.post("resend_verification_email", username="no").headers["Location"]
            body = {"email": "no@x.de"}
            answer = world.call.error("POST", "/verificationEmailRequest", body)
            assert answer == (205, "No user found with email no@x.de")

    def test_another_mail_by_rest(self, world: World) -> None:
        for email in ("ada@x.de", "no@x.de"):
            assert world.call("POST", "/verificationEmailRequest", {"email": email}).body == {}
        assert len(world.mail.sent) == 2
        assert world.call.error("POST", "/verificationEmailRequest", {})[0] == 204


class TestPasswords:
    def _ask(self, world: World) -> None:
        assert world.call("POST", "/requestPasswordReset", {"email": "ada@x.de"}).body == {}

    def test_a_new_password(self, world: World) -> None:
        self._ask(world)
        shown = world.follow()
        assert _title(shown) == "Reset Your Password"
        assert f'value="{world.token}"' in shown.body
        assert "My &lt;App&gt;" in shown.body
        done = world.post("request_password_reset", token=world.token, new_password="next")
        assert _title(done) == "Success!"
        assert (world.log_in("p"), world.log_in("next")) == (404, 200)
        assert _title(world.follow()) == "Invalid password reset link!"

    def test_a_link_that_is_too_old(self, world: World) -> None:
        self._ask(world)
        old = world.token
        world.clock[0] += timedelta(minutes=2)
        assert _title(world.follow()) == "Invalid password reset link!"
        refused = world.post("request_password_reset", token=old, new_password="next")
        assert "The password reset link has expired" in refused.body
        assert world.call("POST", "/requestPasswordReset", {"token": old}).body == {}
        assert world.token != old
        assert _title(world.follow()) == "Reset Your Password"
        assert world.call.error("POST", "/requestPasswordReset", {"token": 5})[0] == 162
        assert world.call.error("POST", "/requestPasswordReset", {"token": "none"})[0] == 204

    def test_by_script(self, world: World) -> None:
        self._ask(world)
        script = {"x-requested-with": "XMLHttpRequest"}
        path, token = "request_password_reset", world.token
        assert world.post(path, script, new_password="x").body == {"code": -1, "error": "Missing token"}
        assert world.post(path, script, token=token).body == {"code": 201, "error": "Missing password"}
        refused = world.post(path, script, token=token, new_password="p")
        assert refused.body == {
            "code": -1,
            "error": "New password should not be the same as last 1 passwords.",
        }
        wrong = world.post(path, script, token="none", new_password="x")
        assert (wrong.status, wrong.body["code"]) == (400, -1)
        done = world.post(path, script, token=token, new_password="x")
        assert (done.status, done.body) == (200, "Password successfully reset")

    def test_what_is_missing_in_a_form(self, world: World) -> None:
        answer = world.post("request_password_reset", token="x")
        assert answer.status == 303
        assert "/apps/password_reset_link_invalid.html?" in answer.headers["Location"]

    def test_the_form_escapes_what_it_shows(self, world: World) -> None:
        shown = world.call(
            "GET", "/apps/choose_password", headers={}, appId="app", token='"><script>', error="<b>"
        )
        assert "<script>" not in shown.body
        assert "<b>" not in shown.body
        assert shown.headers["X-Parse-Page-Param-token"] == '"><script>'

    def test_a_hook_may_refuse(self, world: World) -> None:
        names: list[str] = []

        @world.call.engine.cloud.before_password_reset_request()
        def refuse(request: SaveRequest) -> None:
            names.append(request.object["username"])
            raise ParseError("not now", code=141)

        assert world.call.error("POST", "/requestPasswordReset", {"email": "ada@x.de"}) == (141, "not now")
        assert world.call("POST", "/requestPasswordReset", {"email": "no@x.de"}).body == {}
        assert names == ["ada"]


class TestPages:
    def test_every_page_has_its_place(self, world: World) -> None:
        for page in PAGES:
            shown = world.call("GET", f"/apps/{page.file}", headers={}, token="t", locale="de-AT")
            assert (shown.status, _title(shown)) == (200, page.title)
            assert shown.headers["X-Parse-Page-Param-locale"] == "de-AT"
            assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
        assert world.call("GET", "/apps/other.html", headers={}).status == 404

    def test_other_applications(self, world: World) -> None:
        for path in ("other/verify_email", "other/request_password_reset", "choose_password"):
            answer = world.call("GET", f"/apps/{path}", headers={})
            assert (answer.status, answer.body) == (403, {"error": "unauthorized"})

    def test_pages_of_ones_own(self, world: World) -> None:
        pages = PagesOptions(
            custom_urls={"emailVerificationSuccess": "https://y/ok?a=1"}, force_redirect=True
        )
        world.call = Caller(world.call.engine, public_url=URL, pages=pages)
        answer = world.follow(locale="fr")
        parts = urlsplit(answer.headers["Location"])
        assert (answer.status, parts.netloc, parts.path) == (303, "y", "/ok")
        query = parse_qs(parts.query)
        assert (query["a"], query["appId"], query["locale"]) == (["1"], ["app"], ["fr"])
        again = world.follow()
        assert urlsplit(again.headers["Location"]).path == "/parse/apps/email_verification_link_invalid.html"

    def test_without_a_public_address_there_are_none(self, world: World) -> None:
        call = Caller(world.call.engine)
        assert call("GET", "/apps/app/verify_email", headers=CLIENT, token="x").status == 404
        assert call("GET", "/apps/password_reset.html", headers={}).status == 404

    def test_json_forms(self, world: World) -> None:
        body = {"token": world.token}
        assert world.call("POST", "/apps/app/resend_verification_email", body, headers={}).status == 303
        assert len(world.mail.sent) == 2
        broken = world.call("POST", "/apps/app/resend_verification_email", b"{bad", headers={})
        assert "link_invalid" in broken.headers["Location"]


def test_parameters_in_headers_may_be_encoded() -> None:
    for world in _world():
        world.call = Caller(
            world.call.engine, public_url=URL, pages=PagesOptions(encode_page_param_headers=True)
        )
        assert world.follow().headers["X-Parse-Page-Param-appname"] == "My%20%3CApp%3E"


def test_a_frame_of_the_applications_own() -> None:
    for world in _world(custom_pages={"parseFrameURL": "https://app/frame"}):
        link = world.mail.sent[0].link
        assert link == f"https://app/frame?link=%2Fapps%2Fapp%2Fverify_email&token={world.token}"


def test_an_application_without_a_name_sends_no_mail() -> None:
    auth = AuthOptions(email_adapter=RecordingMailAdapter(), app_name="")
    with parsekit.open(auth=auth) as engine:
        call = Caller(engine, public_url=URL)
        for path in ("/requestPasswordReset", "/verificationEmailRequest"):
            code, text = call.error("POST", path, {"email": "ada@x.de"})
            assert (code, text.split(" are ")[0]) == (1, "An appName, publicServerURL, and emailAdapter")
