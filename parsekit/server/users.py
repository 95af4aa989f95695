"""``/users``, ``/login``, ``/sessions``, ``/roles``, ``/installations`` (UsersRouter, SessionsRouter and others).

``/classes/_User`` and ``/classes/_Session`` answer the same, so these routes go before those of
``/classes``. What a sign-up or log-in does is said in ``parsekit.auth``; here it gets its status and its
JSON.
"""

from __future__ import annotations

from typing import Final

from parsekit.acl.system import PERMISSION_DENIED
from parsekit.auth import SignedIn
from parsekit.auth.mail_tokens import NO_MAIL
from parsekit.codec import JSON, encode_value, format_date
from parsekit.errors import InternalServerError, InvalidSessionTokenError, ObjectNotFoundError
from parsekit.server import classes
from parsekit.server.mail import WebhookMail
from parsekit.server.requests import Call, Response
from parsekit.server.routing import Route, Router
from parsekit.server.writes import read_body

__all__ = ["ROUTES"]


def _sign_up(call: Call) -> Response:
    body = read_body(call, "_User", creating=True)
    signed = call.engine.accounts.sign_up(
        body.operations,
        call.principal,
        object_id=body.object_id,
        created_at=body.created_at,
        updated_at=body.updated_at,
        context=call.context,
    )
    user = signed.user
    location = {"Location": f"{call.options.base_url}/users/{user.object_id}"}
    if not signed.created:
        return Response(200, _signed_in(call, signed), location)
    assert user.created_at is not None
    entry: dict[str, JSON] = {"objectId": user.object_id, "createdAt": format_date(user.created_at)}
    entry.update({key: encode_value(value) for key, value in signed.echo.items()})
    if signed.token is not None:
        entry["sessionToken"] = signed.token
    return Response(201, entry, location)


def _signed_in(call: Call, signed: SignedIn) -> dict[str, JSON]:
    entry = classes.shown(call, signed.user)
    entry.update({key: encode_value(value) for key, value in signed.echo.items()})
    if signed.token is not None:
        entry["sessionToken"] = signed.token
    return entry


def _credentials(call: Call) -> dict[str, JSON]:
    """The body, or the query string where that names the user."""
    body, params = call.body, call.params
    in_url = any(not body.get(key) and params.get(key) for key in ("username", "email"))
    return dict(params) if in_url else body


def _log_in(call: Call) -> Response:
    given = _credentials(call)
    signed = call.engine.accounts.log_in(
        given.get("username"),
        given.get("password"),
        email=given.get("email"),
        auth_data=call.body.get("authData"),
        principal=call.principal,
        context=call.context,
    )
    return Response(200, _signed_in(call, signed))


def _log_in_as(call: Call) -> Response:
    user_id = call.body.get("userId") or call.params.get("userId")
    return Response(200, _signed_in(call, call.engine.accounts.log_in_as(user_id, call.principal)))


def _verify_password(call: Call) -> Response:
    given = _credentials(call)
    user = call.engine.accounts.verify_password(
        given.get("username"),
        given.get("password"),
        email=given.get("email"),
        principal=call.principal,
        ignore_email_verification=given.get("ignoreEmailVerification") is True,
    )
    return Response(200, classes.shown(call, user))


def _log_out(call: Call) -> Response:
    call.engine.accounts.log_out(call.session_token)
    return Response(200, {})


def _me(call: Call) -> Response:
    if call.session_token is None:
        raise InvalidSessionTokenError(PERMISSION_DENIED, hint="Invalid session token")
    user = call.engine.accounts.user_of(call.session_token)
    return Response(200, {**classes.shown(call, user), "sessionToken": call.session_token})


def _get_user(call: Call) -> Response:
    object_id = call.captures["id"]
    response = classes.get(call, "_User", object_id)
    if call.principal.user_id == object_id and call.session_token is not None:
        return Response(200, {**response.body, "sessionToken": call.session_token})
    return response


def _update_user(call: Call) -> Response:
    object_id, principal, accounts = call.captures["id"], call.principal, call.engine.accounts
    password = call.body.get("password")
    # SAFETY: masters set passwords too; hashing is not done for those whom the write will refuse anyway.
    theirs = principal.user_id == object_id or principal.bypasses_permissions
    with accounts.preparing(password=password if theirs else None, installation_id=call.installation_id):
        return classes.update(call, "_User", object_id)


def _require_mail(call: Call) -> None:
    """Refuse what ends with a mail where nobody sends it, where the application has no name to give in it, or where a
    mail by webhook, which is a link, would lead nowhere.

    Raises:
        InternalServerError: 1.
    """
    options = call.engine.options.auth
    nowhere = isinstance(options.email_adapter, WebhookMail) and not call.options.public_url
    if options.email_adapter is None or not options.app_name or nowhere:
        raise InternalServerError(NO_MAIL)


def _request_password_reset(call: Call) -> Response:
    _require_mail(call)
    call.engine.accounts.mail_tokens.request_password_reset(
        call.body.get("email"), expired_token=call.body.get("token"), principal=call.principal
    )
    return Response(200, {})


def _request_verification(call: Call) -> Response:
    _require_mail(call)
    call.engine.accounts.mail_tokens.request_verification(call.body.get("email"))
    return Response(200, {})


def _challenge(call: Call) -> Response:
    body = call.body
    answers = call.engine.accounts.challenge(
        body.get("challengeData"),
        username=body.get("username"),
        email=body.get("email"),
        password=body.get("password"),
        auth_data=body.get("authData"),
    )
    return Response(200, {"challengeData": {name: encode_value(value) for name, value in answers.items()}})


# --- sessions ---


def _my_session(call: Call) -> Response:
    token = call.session_token
    session = None if token is None else call.engine.accounts.sessions.find(token)
    if session is None:
        raise InvalidSessionTokenError("Session token required.")
    return Response(200, classes.shown(call, session))


def _create_session(call: Call) -> Response:
    response = classes.create(call, "_Session")
    # SAFETY: a master's session is stored as it was sent, and answered like any object.
    if call.principal.bypasses_permissions:
        return response
    entry = {key: value for key, value in response.body.items() if key != "createdAt"}
    return Response(201, entry, response.headers)


def _upgrade_session(call: Call) -> Response:
    if call.principal.user_id is None:
        raise ObjectNotFoundError("invalid session")
    session = call.engine.accounts.upgrade_session(call.principal)
    return Response(200, classes.shown(call, session))


def _find(class_name: str) -> Route:
    return lambda call: classes.find(call, class_name)


def _get(class_name: str) -> Route:
    return lambda call: classes.get(call, class_name, call.captures["id"])


def _update(class_name: str) -> Route:
    return lambda call: classes.update(call, class_name, call.captures["id"])


def _delete(class_name: str) -> Route:
    return lambda call: classes.delete(call, class_name, call.captures["id"])


ROUTES: Final = Router()
ROUTES.add("GET", "/users/me", _me)
for _path in ("/users", "/classes/_User"):
    ROUTES.add("POST", _path, _sign_up)
    ROUTES.add("GET", _path, _find("_User"))
    ROUTES.add("GET", f"{_path}/{{id}}", _get_user)
    ROUTES.add("PUT", f"{_path}/{{id}}", _update_user)
    ROUTES.add("DELETE", f"{_path}/{{id}}", _delete("_User"))
for _method in ("GET", "POST"):
    ROUTES.add(_method, "/login", _log_in)
    ROUTES.add(_method, "/verifyPassword", _verify_password)
ROUTES.add("POST", "/loginAs", _log_in_as)
ROUTES.add("POST", "/logout", _log_out)
ROUTES.add("POST", "/requestPasswordReset", _request_password_reset)
ROUTES.add("POST", "/verificationEmailRequest", _request_verification)
ROUTES.add("POST", "/challenge", _challenge)
ROUTES.add("POST", "/upgradeToRevocableSession", _upgrade_session)
ROUTES.add("GET", "/sessions/me", _my_session)
ROUTES.add("POST", "/sessions", _create_session)
ROUTES.add("POST", "/classes/_Session", _create_session)
ROUTES.add("POST", "/roles", lambda call: classes.create(call, "_Role"))
ROUTES.add("POST", "/installations", lambda call: classes.create(call, "_Installation"))
for _path, _name in (("/sessions", "_Session"), ("/roles", "_Role"), ("/installations", "_Installation")):
    ROUTES.add("GET", _path, _find(_name))
    ROUTES.add("GET", f"{_path}/{{id}}", _get(_name))
    ROUTES.add("PUT", f"{_path}/{{id}}", _update(_name))
    ROUTES.add("DELETE", f"{_path}/{{id}}", _delete(_name))
