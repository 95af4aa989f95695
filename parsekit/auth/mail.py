"""Mail to users: what is sent, and who sends it.

parsekit writes no mail itself: it hands a ``Mail`` to the ``MailAdapter`` of the options after the
transaction that made its token has committed. ``RecordingMailAdapter`` keeps what it is given, for tests.
"""

from __future__ import annotations

from typing import Literal, Protocol, final
from urllib.parse import quote

import attrs

__all__ = ["Mail", "MailAdapter", "MailKind", "RecordingMailAdapter", "mail_for"]

MailKind = Literal["verify_email", "reset_password"]

_PAGES: dict[MailKind, str] = {"verify_email": "verify_email", "reset_password": "request_password_reset"}


@final
@attrs.frozen(slots=True)
class Mail:
    """One message. ``token`` is what the receiver proves the address with; it and the text are kept from
    ``repr``.

    ``link`` leads to the page of the token, ``None`` without a ``public_server_url``.
    """

    kind: MailKind
    to: str
    subject: str
    token: str = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    link: str | None = attrs.field(default=None, repr=False)
    user_id: str = ""


class MailAdapter(Protocol):
    """Sends mail. What it raises reaches whoever asked for the mail; what was written stays written."""

    def send(self, mail: Mail) -> None:
        """Send one message."""


@final
class RecordingMailAdapter:
    """Keeps every message in ``sent``, the last one last."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    def send(self, mail: Mail) -> None:
        """Keep the message."""
        self.sent.append(mail)


def mail_for(
    kind: MailKind,
    *,
    to: str,
    token: str,
    user_id: str,
    username: str | None,
    app_name: str,
    app_id: str | None,
    public_server_url: str | None,
    frame_url: str | None = None,
) -> Mail:
    """The message that Parse Server's defaults would send (UserController.defaultVerificationEmail).

    With a ``frame_url`` the link leads there and names the page of the token as its parameter ``link``.
    """
    link = None
    if public_server_url is not None:
        page = f"/apps/{quote(app_id or app_name)}/{_PAGES[kind]}"
        link = f"{public_server_url.rstrip('/')}{page}?token={quote(token)}"
        if frame_url:
            link = f"{frame_url}?link={quote(page, safe='')}&token={quote(token)}"
    way = f"Click here to {{}} it:\n{link}" if link else f"Your code to {{}} it:\n{token}"
    if kind == "verify_email":
        subject = f"Please verify your e-mail for {app_name}"
        asked = f"You are being asked to confirm the e-mail address {to} with {app_name}"
        text = f"Hi,\n\n{asked}\n\n{way.format('confirm')}"
    else:
        subject = f"Password Reset for {app_name}"
        named = f" (your username is '{username}')" if username else ""
        text = f"Hi,\n\nYou requested to reset your password for {app_name}{named}.\n\n{way.format('reset')}"
    return Mail(kind, to, subject, token, text, link, user_id)
