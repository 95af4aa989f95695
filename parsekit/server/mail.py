"""Mail by webhook: each message is one POST of ``{"method", "options"}`` to a URL.

``method`` and ``options`` (``link``, ``appName``, ``user``) are those with which Parse Server calls an email adapter,
so that a few lines in any language turn them into mail.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final, final

from parsekit.acl.principal import Principal
from parsekit.cloud.webhooks import OUTSIDE
from parsekit.codec import JSON, dumps
from parsekit.errors import ParseError

if TYPE_CHECKING:
    from parsekit.auth.mail import Mail
    from parsekit.engine.core import ParseEngine

__all__ = ["WebhookMail"]

_METHODS: Final = {"verify_email": "sendVerificationEmail", "reset_password": "sendPasswordResetEmail"}
_TIMEOUT_S: Final = 10.0


@final
class WebhookMail:
    """Posts each mail to ``url`` and waits until it is taken. ``engine`` is set by the server that uses it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.engine: ParseEngine | None = None

    def send(self, mail: Mail) -> None:
        """Post one message.

        Raises:
            ParseError: -1, the URL cannot be reached or answers with an error.
        """
        options: dict[str, JSON] = {
            "link": mail.link,
            "to": mail.to,
            "subject": mail.subject,
            "text": mail.text,
        }
        if self.engine is not None:
            options["appName"] = self.engine.options.auth.app_name
            # SAFETY: the mail is about this user, and its receiver is whom the operator chose.
            user = self.engine.get_object("_User", mail.user_id, Principal.master())
            options["user"] = {**user.to_json(), "className": "_User"}
        body = dumps({"method": _METHODS[mail.kind], "options": options}).encode()
        request = urllib.request.Request(
            self._url, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        try:
            with OUTSIDE.get()(), urllib.request.urlopen(request, timeout=_TIMEOUT_S):
                pass
        except (OSError, urllib.error.URLError) as error:
            raise ParseError("the mail could not be sent", code=-1, hint=type(error).__name__) from error
