"""A client of the LiveQuery protocol, without its socket: what its messages do, and what it is sent.

Who asks is decided as for REST: the same keys, the same sessions, the same permissions (law L9). What Parse Server
leaves unsaid is said here: a class that cannot be followed, a session that has ended and a client that is too slow are
answered with an error, where Parse Server sends nothing any more.

Every method may touch the database, so the socket calls them in the threads of the pool.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final
from uuid import uuid4

from parsekit._context import Binding
from parsekit.acl.principal import Principal
from parsekit.cloud.requests import SubscribeRequest
from parsekit.codec import JSON
from parsekit.errors import (
    InvalidSessionTokenError,
    ParseError,
    SubscriptionLagged,
    parse_error,
)
from parsekit.livequery.protocol import (
    UNKNOWN_SUBSCRIPTION,
    WRONG_KEY,
    Connect,
    Connected,
    ObjectEvent,
    ProtocolError,
    ProtocolProblem,
    Subscribe,
    Subscribed,
    state_of,
    to_text,
)
from parsekit.server.classes import add_urls
from parsekit.server.credentials import same_key, sender
from parsekit.server.faults import HttpError

if TYPE_CHECKING:
    from parsekit.livequery.events import Event
    from parsekit.livequery.subscription import Subscription
    from parsekit.object import PFObject
    from parsekit.server.service import Service

__all__ = ["Followed", "LiveClient", "problem", "unknown_client", "unknown_subscription"]

Outlook: TypeAlias = Literal["more", "later", "over"]
"""What is to be expected of a subscription: more right now, more when it says so, nothing any more."""

_LAGGED: Final = 155
_MOST_EVENTS: Final = 64
_INTERNAL: Final = "Internal server error."

_KEY_NAMES: Final = {
    "javascript_key": "javascriptKey",
    "client_key": "clientKey",
    "windows_key": "windowsKey",
    "rest_key": "restAPIKey",
    "master_key": "masterKey",
}


@final
class Followed:
    """A subscription of a client. ``message`` is what asked for it."""

    __slots__ = ("is_ready", "message", "service", "subscription", "token")

    def __init__(
        self, message: Subscribe, subscription: Subscription[Any], token: str | None, service: Service
    ) -> None:
        self.message = message
        self.subscription = subscription
        self.token = token
        self.service = service
        self.is_ready = False
        """Whether the socket knows that there is something to take; the socket's own."""


@final
class LiveClient:
    """A client that has connected."""

    def __init__(self, message: Connect, service: Service, host: str) -> None:
        """Check the keys.

        Raises:
            ProtocolProblem: 4, wrong keys.
            ParseError: as the ``beforeConnect`` hook refuses.
        """
        self.client_id = str(uuid4())
        self.installation_id = message.installation_id
        self._token = message.session_token
        self._keys = _sender(message, service, host)
        cloud = service.engine.cloud
        if cloud.has("beforeConnect", "@Connect"):
            caller = service.engine.hooks.caller(self._principal(service, self._token))
            cloud.run(
                "beforeConnect", "@Connect", SubscribeRequest(caller=caller, trigger_name="beforeConnect")
            )

    def caller(self, service: Service) -> Principal:
        """Under whom the client is connected; nobody once its session has ended."""
        try:
            return self._principal(service, self._token)
        except ParseError:
            return Principal.anonymous(installation_id=self.installation_id)

    @property
    def connected(self) -> Connected:
        """The answer to ``connect``."""
        return Connected(client_id=self.client_id, installation_id=self.installation_id)

    def _principal(self, service: Service, token: str | None) -> Principal:
        # SAFETY: a master key, sent with ``connect``, holds for the whole connection, as in Parse Server (W10).
        if self._keys is not None:
            return self._keys
        if token is None:
            return Principal.anonymous(installation_id=self.installation_id)
        return service.engine.principal_for_session(token, installation_id=self.installation_id)

    # -- subscribing -------------------------------------------------------------------------------

    def follow(self, message: Subscribe, service: Service) -> Followed:
        """Subscribe.

        Raises:
            ParseError: 119, a class that may not be followed; 209, a session that has ended; as a find refuses.
        """
        token = None if self._keys is not None else message.session_token or self._token
        principal = self._principal(service, token)
        asked = message.query
        _check_class(asked.class_name, principal, service)
        engine = service.engine
        subscription = engine.live.subscribe(
            state_of(asked),
            Binding(engine, principal),
            watch=asked.watch or (),
            resume_from=message.resume_from,
        )
        return Followed(message, subscription, token, service)

    def subscribed(self, followed: Followed) -> Subscribed:
        """The answer to ``subscribe``."""
        message, subscription = followed.message, followed.subscription
        results = subscription.fresh_result
        return Subscribed(
            client_id=self.client_id,
            request_id=message.request_id,
            installation_id=self.installation_id,
            sequence=subscription.start if message.numbered else None,
            gap=subscription.resume_gap,
            results=None if results is None else [self._object(obj, followed) for obj in results],
        )

    # -- events ------------------------------------------------------------------------------------

    def take(self, followed: Followed) -> tuple[list[str], Outlook]:
        """The next messages of a subscription, and what is to be expected of it."""
        frames: list[str] = []
        try:
            if followed.token is not None:
                # SAFETY: a session that has ended since is told nothing more, whatever is queued for it.
                followed.service.engine.principal_for_session(followed.token)
            while len(frames) < _MOST_EVENTS:
                event = followed.subscription.next(0)
                if event is None:
                    return frames, "later"
                frames.append(to_text(self._event(event, followed)))
        except (SubscriptionLagged, InvalidSessionTokenError) as error:
            frames.append(to_text(problem(error, followed.message.request_id)))
            followed.subscription.close()
            return frames, "over"
        except ParseError as error:  # what a hook raised, or what ended the subscription
            frames.append(to_text(problem(error, followed.message.request_id)))
            if followed.subscription.is_closed and not followed.subscription.waiting:
                return frames, "over"
        return frames, "more"

    def _event(self, event: Event, followed: Followed) -> ObjectEvent:
        message = followed.message
        original = None if event.original is None else self._object(event.original, followed)
        return ObjectEvent(
            op=event.kind,
            client_id=self.client_id,
            request_id=message.request_id,
            object=self._object(event.object, followed),
            original=original,
            sequence=event.resume_from if message.numbered else None,
        )

    def _object(self, obj: PFObject, followed: Followed) -> dict[str, JSON]:
        entry = obj.to_json()
        add_urls(followed.service.options, entry)
        return entry


def _sender(message: Connect, service: Service, host: str) -> Principal | None:
    """The master that the keys name, ``None`` for a client."""
    options = service.options
    if not same_key(message.application_id, options.app_id):
        raise ProtocolProblem("Key in request is not valid", code=WRONG_KEY)
    found: dict[str, str | None] = {
        "javascript_key": message.javascript_key,
        "client_key": message.client_key,
        "windows_key": message.windows_key,
        "rest_key": message.rest_key,
        "master_key": message.master_key,
        "installation_id": message.installation_id,
    }
    pairs = options.live_query_server_options.key_pairs
    if pairs is not None:
        sent = {wire: found[name] for name, wire in _KEY_NAMES.items()}
        if pairs and not any(same_key(sent.get(wire) or "", key) for wire, key in pairs.items()):
            raise ProtocolProblem("Key in request is not valid", code=WRONG_KEY)
        if "masterKey" not in pairs:
            return None
    try:
        return sender(found, options, host)
    except HttpError:
        raise ProtocolProblem("Key in request is not valid", code=WRONG_KEY) from None


def _check_class(class_name: str, principal: Principal, service: Service) -> None:
    patterns = service.options.live_query.class_names
    if patterns is not None and not any(re.fullmatch(pattern, class_name) for pattern in patterns):
        raise parse_error(119, f"live queries of class {class_name} are not enabled on this server")
    # SAFETY: sessions are told of to their own users; a master sees them all (W13).
    if class_name == "_Session" and principal.user_id is None and not principal.bypasses_permissions:
        raise InvalidSessionTokenError()


def problem(error: Exception, request_id: int | None = None) -> ProtocolError:
    """The message that tells a client of an error; of a fault of parsekit's own it says nothing."""
    if isinstance(error, ProtocolProblem):
        return error.answer
    if isinstance(error, SubscriptionLagged):
        text = "Too many events are waiting for this client."
        return ProtocolError(code=_LAGGED, error=text, reconnect=True, request_id=request_id)
    if isinstance(error, ParseError):
        return ProtocolError(code=error.code, error=error.message, reconnect=False, request_id=request_id)
    return ProtocolError(code=1, error=_INTERNAL, reconnect=False, request_id=request_id)


def unknown_client(request_id: int) -> ProtocolError:
    """The answer to what comes before ``connect``."""
    text = "Can not find this client, make sure you connect to server before subscribing"
    return ProtocolError(code=UNKNOWN_SUBSCRIPTION, error=text, request_id=request_id)


def unknown_subscription(client_id: str, request_id: int) -> ProtocolError:
    """The answer to ``unsubscribe`` of what there is not."""
    text = (
        f"Cannot find subscription with clientId {client_id} subscriptionId {request_id}. "
        "Make sure you subscribe to live query server before unsubscribing."
    )
    return ProtocolError(code=UNKNOWN_SUBSCRIPTION, error=text, request_id=request_id)
