"""``Service``: an engine with its dispatcher, as long as requests are answered with it.

An application has one at a time. Test mode puts another one in its place; what is under way ends where it began, and
the engine that was replaced is closed when the last of it has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, final

from parsekit.server.dispatch import Dispatcher
from parsekit.server.http import cors_headers
from parsekit.server.mail import WebhookMail

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.server.options import ServerOptions

__all__ = ["Service"]


@final
class Service:
    """What requests are answered with."""

    def __init__(self, engine: ParseEngine, options: ServerOptions) -> None:
        self.engine = engine
        self.options = options
        self.dispatcher = Dispatcher(engine, options)
        self.cors = cors_headers(options)
        self.replaced = threading.Event()
        """Set when another service has taken its place."""
        self._under_way = 0
        self._changed = threading.Condition()
        self._at_end: Callable[[], None] | None = None
        mail = engine.options.auth.email_adapter
        if isinstance(mail, WebhookMail):
            mail.engine = engine

    def begin(self) -> bool:
        """Keep the engine open until ``end()``; ``False`` when it takes no more."""
        with self._changed:
            if self._at_end is not None:
                return False
            self._under_way += 1
        return True

    def end(self) -> None:
        """What ``begin()`` began has ended."""
        with self._changed:
            self._under_way -= 1
            if self._under_way:
                return
            at_end = self._at_end
            self._changed.notify_all()
        if at_end is not None:
            at_end()

    def retire(self, at_end: Callable[[], None]) -> None:
        """Take no more, and call ``at_end`` once nothing is under way any more; now, where nothing is."""
        with self._changed:
            self._at_end = at_end
            if self._under_way:
                return
        at_end()

    def wait_idle(self, timeout_s: float) -> None:
        """Wait until nothing is under way, but not longer than ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0, timeout_s)
