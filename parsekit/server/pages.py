"""``/apps``: the pages that links in mails lead to (PagesRouter).

Each page is small and complete in itself. Its parameters also stand in headers (``X-Parse-Page-Param-...``), for
whoever reads an answer without a browser. A POST is answered with a redirect to the page that says how it went, so
that reloading that page does nothing again. Without a public address there are no pages: 404.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Final, final
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

import attrs

from parsekit.codec import loads
from parsekit.errors import InvalidJsonError, OtherCauseError, ParseError, PasswordMissingError
from parsekit.server.faults import unauthorized
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Router

__all__ = ["PAGES", "ROUTES"]

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_LOCALE: Final = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*")
_FRAME: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title} - {app}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 28rem; margin: 4rem auto; padding: 0 1rem; color: #222 }}
input, button {{ font: inherit; padding: .5rem; width: 100%; box-sizing: border-box; margin: .25rem 0 1rem }}
.error {{ color: #a00 }}
</style>
</head>
<body>
<h1>{title}</h1>
{content}
</body>
</html>
"""

Parameters = Mapping[str, str]


@final
@attrs.frozen(slots=True)
class _Page:
    """A page: its name among the options, its file among the links, its title and what stands below it."""

    name: str
    file: str
    title: str
    content: Callable[[Parameters], str]


def _text(text: str) -> Callable[[Parameters], str]:
    return lambda _given: f"<p>{html.escape(text)}</p>"


def _password_form(given: Parameters) -> str:
    action = f"{given['publicServerUrl'].rstrip('/')}/apps/{quote(given['appId'])}/request_password_reset"
    error = given.get("error")
    shown = f'<p class="error" id="error">{html.escape(error)}</p>\n' if error else ""
    return (
        f"{shown}<p>Choose a new password for your {html.escape(given['appName'])} account.</p>\n"
        f'<form action="{html.escape(action)}" method="POST">\n'
        '<label>New password <input name="new_password" type="password" required autocomplete="new-password"></label>\n'
        f'<input name="token" type="hidden" value="{html.escape(given.get("token", ""))}">\n'
        "<button>Change password</button>\n</form>"
    )


def _resend_form(given: Parameters) -> str:
    action = f"{given['publicServerUrl'].rstrip('/')}/apps/{quote(given['appId'])}/resend_verification_email"
    token = html.escape(given.get("token", ""))
    return (
        "<p>This link was used before, or is too old.</p>\n"
        f'<form action="{html.escape(action)}" method="POST">\n'
        f'<input name="token" type="hidden" value="{token}">\n<button>Send another mail</button>\n</form>'
    )


_SENT: Final = "A mail with a new link is on its way, if the address is known and not yet verified."
PAGES: Final = (
    _Page("passwordReset", "password_reset.html", "Reset Your Password", _password_form),
    _Page("passwordResetSuccess", "password_reset_success.html", "Success!",
          _text("You can log in with your new password now.")),
    _Page("passwordResetLinkInvalid", "password_reset_link_invalid.html", "Invalid password reset link!",
          _text("This link was used before, or is too old. Ask for another mail.")),
    _Page("emailVerificationSuccess", "email_verification_success.html", "Email verified!",
          _text("Thank you, your address is verified.")),
    _Page("emailVerificationLinkInvalid", "email_verification_link_invalid.html", "Invalid verification link!",
          _resend_form),
    _Page("emailVerificationLinkExpired", "email_verification_link_expired.html", "Expired verification link!",
          _resend_form),
    _Page("emailVerificationSendSuccess", "email_verification_send_success.html", "Link sent!", _text(_SENT)),
    _Page("emailVerificationSendFail", "email_verification_send_fail.html", "Invalid link!",
          _text("There is no such user, or the address is verified already.")),
)  # fmt: skip
"""Every page."""
_BY_NAME: Final = {page.name: page for page in PAGES}
_BY_FILE: Final = {page.file: page for page in PAGES}


# --- what is asked ---


def _given(call: Call) -> dict[str, str]:
    """What a form or its JSON says, over what the query string says."""
    found = {key: value for key, value in call.params.items() if isinstance(value, str)}
    text = call.data.decode(errors="replace")
    if not text:
        return found
    if text.lstrip().startswith("{"):
        try:
            sent = loads(text)
        except InvalidJsonError:
            sent = {}
    else:
        sent = {key: values[-1] for key, values in parse_qs(text, keep_blank_values=True).items()}
    assert isinstance(sent, dict)
    return {**found, **{key: value for key, value in sent.items() if isinstance(value, str)}}


def _check_app(call: Call, app_id: object) -> None:
    if app_id != call.options.app_id:
        raise unauthorized()


def _own(call: Call) -> dict[str, str] | None:
    """The parameters that every page has; ``None`` without a public address."""
    url = call.options.public_url
    if url is None:
        return None
    locale = _given(call).get("locale") or call.headers.get("x-parse-page-param-locale", "")
    own = {"appId": call.options.app_id, "appName": call.engine.options.auth.app_name, "publicServerUrl": url}
    return {**own, "locale": locale} if _LOCALE.fullmatch(locale) else own


# --- what is answered ---


def _go(call: Call, name: str, given: Parameters | None = None, *, redirect: bool | None = None) -> Response:
    """A page, or a redirect to it: after a POST, where the options say so, or where the page is somebody else's."""
    own = _own(call)
    if own is None:
        return _not_found()
    page, options = _BY_NAME[name], call.options.pages
    parameters = {**(given or {}), **own}
    custom = options.custom_urls.get(name)
    if custom is not None:
        return _redirected(call, custom, parameters)
    if options.force_redirect or (call.method == "POST" if redirect is None else redirect):
        return _redirected(call, f"{own['publicServerUrl'].rstrip('/')}/apps/{page.file}", parameters)
    return _shown(call, page, parameters)


def _shown(call: Call, page: _Page, parameters: Parameters) -> Response:
    app, title = html.escape(parameters["appName"]), html.escape(page.title)
    text = _FRAME.format(title=title, app=app, content=page.content(parameters))
    # SAFETY: no script runs on a page and nothing is loaded, so that nothing can take its token elsewhere
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
    return Response(200, text, {**headers, **_parameter_headers(call, parameters)})


def _redirected(call: Call, url: str, parameters: Parameters) -> Response:
    parts = urlsplit(url)
    query = urlencode({**{key: values[-1] for key, values in parse_qs(parts.query).items()}, **parameters})
    location = urlunsplit(parts._replace(query=query))
    headers = {"Content-Type": "text/plain; charset=utf-8", "Location": location}
    text = f"See Other. Redirecting to {location}"
    return Response(303, text, {**headers, **_parameter_headers(call, parameters)})


def _parameter_headers(call: Call, parameters: Parameters) -> dict[str, str]:
    encoded = call.options.pages.encode_page_param_headers
    return {
        f"X-Parse-Page-Param-{key.lower()}": quote(value, safe="") if encoded else _CONTROLS.sub("", value)
        for key, value in parameters.items()
    }


def _not_found() -> Response:
    return Response(404, "Not found.", {"Content-Type": "text/html; charset=utf-8"})


# --- the routes ---


def _verify_email(call: Call) -> Response:
    _check_app(call, call.captures["app_id"])
    token = _given(call).get("token", "")
    try:
        call.engine.accounts.mail_tokens.verify_email(token)
    except ParseError:
        return _go(call, "emailVerificationLinkInvalid", {"token": token} if token else None)
    return _go(call, "emailVerificationSuccess")


def _resend(call: Call) -> Response:
    _check_app(call, call.captures["app_id"])
    given = _given(call)
    username, token = given.get("username"), given.get("token")
    if not username and not token:
        return _go(call, "emailVerificationLinkInvalid")
    try:
        call.engine.accounts.mail_tokens.resend(username=username, token=token)
    except ParseError:
        # SAFETY: the answer says whether there is such a user only where the application wants it.
        if not call.engine.options.auth.email_verify_success_on_invalid_email:
            return _go(call, "emailVerificationSendFail")
    return _go(call, "emailVerificationSendSuccess")


def _choose_password(call: Call) -> Response:
    given = _given(call)
    _check_app(call, call.captures.get("app_id", given.get("id") or given.get("appId")))
    kept: dict[str, str] = {key: given[key] for key in ("token", "username", "error") if key in given}
    return _go(call, "passwordReset", kept)


def _ask_for_password(call: Call) -> Response:
    _check_app(call, call.captures["app_id"])
    token = _given(call).get("token", "")
    try:
        call.engine.accounts.mail_tokens.check_reset_token(token)
    except ParseError:
        return _go(call, "passwordResetLinkInvalid")
    return _go(call, "passwordReset", {"token": token})


def _reset_password(call: Call) -> Response:
    _check_app(call, call.captures["app_id"])
    given = _given(call)
    token, password = given.get("token"), given.get("new_password")
    by_script = call.headers.get("x-requested-with", "").lower() == "xmlhttprequest"
    if not token or not password:
        if not by_script:
            return _go(call, "passwordResetLinkInvalid")
        raise PasswordMissingError("Missing password") if token else OtherCauseError("Missing token")
    try:
        call.engine.accounts.mail_tokens.reset_password(token, password)
    except ParseError as error:
        if by_script:
            raise OtherCauseError(error.message) from error
        return _go(call, "passwordReset", {"token": token, "error": error.message}, redirect=False)
    if by_script:
        return Response(200, "Password successfully reset")
    return _go(call, "passwordResetSuccess", redirect=False)


def _page(call: Call) -> Response:
    own, page = _own(call), _BY_FILE.get(call.captures["file"].rpartition("/")[2])
    if own is None or page is None:
        return _not_found()
    return _shown(call, page, {**_given(call), **own})


ROUTES: Final = Router()
ROUTES.add("GET", "/apps/choose_password", _choose_password, kind="public")
ROUTES.add("GET", "/apps/{app_id}/choose_password", _choose_password, kind="public")
ROUTES.add("GET", "/apps/{app_id}/verify_email", _verify_email, kind="public")
ROUTES.add("POST", "/apps/{app_id}/resend_verification_email", _resend, kind="public")
ROUTES.add("GET", "/apps/{app_id}/request_password_reset", _ask_for_password, kind="public")
ROUTES.add("POST", "/apps/{app_id}/request_password_reset", _reset_password, kind="public")
ROUTES.add("GET", "/apps/{file...}", _page, kind="public")
