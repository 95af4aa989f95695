"""What hooks and functions are called with. All of them know the caller: ``user``, ``master``, ``installation_id``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.cloud.log import ScriptLog
from parsekit.file import PFFile
from parsekit.object import PFObject
from parsekit.query.builder import PFQuery
from parsekit.values import Value

__all__ = [
    "IN_PROCESS",
    "ORIGIN",
    "Caller",
    "ConfigRequest",
    "FileRequest",
    "FindRequest",
    "FunctionRequest",
    "JobRequest",
    "LiveEventRequest",
    "LiveServerEvent",
    "LiveServerRequest",
    "Origin",
    "SaveRequest",
    "SubscribeRequest",
]


LiveServerEvent: TypeAlias = Literal["ws_connect", "connect", "subscribe", "unsubscribe", "ws_disconnect"]


@final
@attrs.frozen(slots=True)
class Origin:
    """Where a call came from: the headers of its request, with lower-case names, and the address of the client.

    ``context`` is what the hooks of its finds share.
    """

    headers: Mapping[str, str] = attrs.field(repr=False)
    ip: str | None
    context: MutableMapping[str, Value] = attrs.Factory(dict)
    installation_id: str | None = None


IN_PROCESS: Final = Origin(MappingProxyType({}), None)
"""A call that no request made."""
ORIGIN: Final[ContextVar[Origin]] = ContextVar("parsekit_origin", default=IN_PROCESS)
"""Set by a server while it answers a request that cloud code may be told of."""


@final
@attrs.frozen(slots=True)
class Caller:
    """Under whom something runs. ``load_user`` and ``load_roles`` read the database when first asked."""

    principal: Principal
    load_user: Callable[[], PFObject | None]
    load_roles: Callable[[], frozenset[str]]
    log: ScriptLog
    origin: Origin = IN_PROCESS


@attrs.define(slots=True, kw_only=True)
class _Request:
    caller: Caller = attrs.field(repr=False)
    trigger_name: str
    context: MutableMapping[str, Value] = attrs.Factory(dict)

    @property
    def master(self) -> bool:
        """Whether the caller is a master."""
        # SAFETY: this only tells cloud code who called.
        return self.caller.principal.bypasses_permissions

    @property
    def user(self) -> PFObject | None:
        """The calling user, read from the database, ``None`` for a master or nobody in particular."""
        return self.caller.load_user()

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the request that called, with lower-case names; none for a call of this process."""
        return self.caller.origin.headers

    @property
    def ip(self) -> str | None:
        """The address of the client that called; ``None`` for a call of this process."""
        return self.caller.origin.ip

    @property
    def log(self) -> ScriptLog:
        """Where cloud code says what a master shall read (``GET /scriptlog``)."""
        return self.caller.log

    @property
    def installation_id(self) -> str | None:
        """The installation that the call came from."""
        sent = self.caller.origin.installation_id
        return self.caller.principal.installation_id if sent is None else sent


@final
@attrs.define(slots=True, kw_only=True)
class SaveRequest(_Request):
    """Before and after a save or a delete, and around log-in and log-out.

    ``object`` is the object as it will be (after: as it is); a before-save hook changes it by assignment. ``original``
    is the object as it was, ``None`` for a new one. ``context`` is shared by the hooks of one write.
    """

    object: PFObject
    original: PFObject | None = None


@final
@attrs.define(slots=True, kw_only=True)
class FindRequest(_Request):
    """Before a find or get: ``query`` may be changed, or another one returned. After it: ``objects``, likewise."""

    query: PFQuery[Any]
    is_get: bool = False
    count: bool = False
    objects: list[PFObject] = attrs.Factory(list)


@final
@attrs.define(slots=True, kw_only=True)
class FileRequest(_Request):
    """Around the saving, reading and deleting of a file; ``file_size`` is in bytes, ``None`` where it is not known.

    A hook may return another ``PFFile``. ``force_download`` and ``response_headers`` are for the answer of a server.
    """

    file: PFFile
    file_size: int | None = None
    force_download: bool = False
    response_headers: dict[str, str] = attrs.Factory(lambda: {"X-Content-Type-Options": "nosniff"})


@final
@attrs.define(slots=True, kw_only=True)
class ConfigRequest(_Request):
    """Around a change of the configuration: the parameters that are sent (after: all of them), and those before."""

    params: Mapping[str, Value]
    original: Mapping[str, Value] | None = None


@final
@attrs.define(slots=True, kw_only=True)
class FunctionRequest(_Request):
    """A call of a function. ``params`` are decoded values; what the function returns is its result."""

    function_name: str
    params: dict[str, Value]


@final
@attrs.define(slots=True, kw_only=True)
class JobRequest(_Request):
    """A run of a job. ``message(text)`` says how far it is, in its ``_JobStatus``."""

    job_id: str
    params: dict[str, Value]
    message: Callable[[str], None] = attrs.field(repr=False)


@final
@attrs.define(slots=True, kw_only=True)
class SubscribeRequest(_Request):
    """Before a live query is subscribed to, or a client connects (then ``query`` is ``None``)."""

    query: PFQuery[Any] | None = None
    clients: int = 0
    subscriptions: int = 0


@final
@attrs.define(slots=True, kw_only=True)
class LiveEventRequest(_Request):
    """Before a live event is sent. ``send_event`` set to false drops it; ``object`` is what will be sent.

    ``object`` and ``original`` show what the subscriber may see.
    """

    event: Literal["create", "enter", "update", "leave", "delete"]
    object: PFObject
    original: PFObject | None = None
    send_event: bool = True
    clients: int = 0
    subscriptions: int = 0


@final
@attrs.define(slots=True, kw_only=True)
class LiveServerRequest(_Request):
    """What a client of the live query server has done: it came, connected, subscribed, unsubscribed or is gone.

    ``clients`` and ``subscriptions`` are how many there are now.
    """

    event: LiveServerEvent
    clients: int = 0
    subscriptions: int = 0
