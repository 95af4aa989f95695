"""What a server is told beyond its engine, under the names that Parse Server has for it.

An attribute is called as Parse Server's option, in Python's spelling (``maxLimit`` is ``max_limit``); the few that are
not say their option's name in their metadata. What a user's account or the engine is told has its place there
(``AuthOptions``, ``EngineOptions``); ``configuration`` reads all of them from one table of Parse's names.

Where Parse Server measures in seconds or milliseconds, so do these; each says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, final

from parsekit import attrs
from parsekit.codec import JSON, loads
from parsekit.errors import EngineError, InvalidJsonError
from parsekit.server.addresses import check_networks

__all__ = [
    "LOOPBACK",
    "FileDownload",
    "FileUpload",
    "IdempotencyOptions",
    "LiveQueryOptions",
    "LiveQueryServerOptions",
    "PagesOptions",
    "RateLimit",
    "RequestComplexity",
    "SecurityOptions",
    "ServerOptions",
]

LOOPBACK: Final = ("127.0.0.1", "::1")
"""The addresses of this machine."""

_EVERYBODY: Final = ("0.0.0.0/0", "::/0")
_DENYLIST: Final[tuple[Mapping[str, str], ...]] = (
    MappingProxyType({"key": "_bsontype", "value": "Code"}),
    MappingProxyType({"key": "constructor"}),
    MappingProxyType({"key": "__proto__"}),
)
_NOT_EXECUTABLE: Final = (
    r"^(?!(?i:[xs]?html?(\\?\+xml)?|xht|svg(z|\\?\+xml)?|xml|xsd|xslt?(\\?\+xml)?|rng|rdf(\\?\+xml)?|owl"
    r"|mathml(\\?\+xml)?)$)",
)
"""Everything but what a browser may run as a page of the server's own."""


def _named(option: str) -> dict[str, Any]:
    """The metadata of an attribute whose option has another name."""
    return {"option": option}


def _networks(_owner: object, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    check_networks(attribute.name, value)


def _keywords(place: str, value: JSON, problems: list[str]) -> Any:
    """The items of ``requestKeywordDenylist``: ``{"key", "value"}``, or a text that no key may hold.

    In an environment variable the list is text.
    """
    try:
        items = loads(value) if isinstance(value, str) else value
    except InvalidJsonError:
        items = None
    if not isinstance(items, list):
        problems.append(f"{place}: expected a list")
        return ()
    for number, item in enumerate(items):
        if not isinstance(item, Mapping | str):
            problems.append(f"{place}[{number}]: expected an object or text")
    return tuple(items)


def _patterns(_owner: object, attribute: attrs.Attribute[Any], value: tuple[str, ...] | None) -> None:
    for pattern in value or ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise EngineError(f"{attribute.name}: {pattern!r} is no regular expression: {error}") from None


@final
@attrs.frozen(slots=True, kw_only=True)
class FileUpload:
    """``fileUpload``: who may upload files, and which. ``file_extensions`` are regular expressions, of which one has to
    match; ``("*",)`` lets all through.
    """

    enable_for_public: bool = False
    enable_for_anonymous_user: bool = False
    enable_for_authenticated_user: bool = True
    file_extensions: tuple[str, ...] = _NOT_EXECUTABLE


@final
@attrs.frozen(slots=True, kw_only=True)
class FileDownload:
    """``fileDownload``: who may fetch files."""

    enable_for_public: bool = True
    enable_for_anonymous_user: bool = True
    enable_for_authenticated_user: bool = True


@final
@attrs.frozen(slots=True, kw_only=True)
class IdempotencyOptions:
    """``idempotencyOptions``: requests to ``paths`` (regular expressions, without the mount) that bring an
    ``X-Parse-Request-Id`` are answered once within ``ttl`` seconds.
    """

    paths: tuple[str, ...] = attrs.field(default=(), validator=_patterns)
    ttl: int = 300


@final
@attrs.frozen(slots=True, kw_only=True)
class LiveQueryOptions:
    """``liveQuery``: the classes that may be subscribed to, each a regular expression; ``None`` for all of them."""

    class_names: tuple[str, ...] | None = attrs.field(default=None, validator=_patterns)


@final
@attrs.frozen(slots=True, kw_only=True)
class PagesOptions:
    """``pages``: the pages of links in mails. ``custom_urls`` maps a page's name (``passwordReset``) to an address to
    which is redirected with the page's parameters; ``force_redirect`` redirects wherever a page would be sent;
    ``encode_page_param_headers`` has the parameters percent-encoded in headers, which else hold ASCII only.
    """

    custom_urls: Mapping[str, str] = attrs.field(factory=dict)
    force_redirect: bool = False
    encode_page_param_headers: bool = False
    enable_router: bool = True
    """Nothing hangs on it any more: there are always pages."""


@final
@attrs.frozen(slots=True, kw_only=True)
class LiveQueryServerOptions:
    """``liveQueryServerOptions``: the keys that ``connect`` may carry.

    Without ``key_pairs`` they are those of the application. Parse Server asks for the keys that are listed here (none
    when none are), of which one has to match, and lets a master key count only where ``masterKey`` is one of them.
    """

    key_pairs: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    cache_timeout: float | None = None
    """How long Parse Server keeps a session it has read; here each is read anew."""
    websocket_timeout: float | None = None
    """How often Parse Server pings a client, in milliseconds; here the server of the sockets has a time of its own."""


@final
@attrs.frozen(slots=True, kw_only=True)
class RequestComplexity:
    """``requestComplexity``: how much one request of a client may ask. -1 is no limit of the server's own.

    The engine's limits on conditions (``query.where.QueryLimits``) hold besides, for masters as well.
    """

    include_depth: int = -1
    include_count: int = -1
    subquery_depth: int = -1
    subquery_limit: int = -1
    query_depth: int = -1
    batch_request_limit: int = -1
    allow_regex: bool = True


@final
@attrs.frozen(slots=True, kw_only=True)
class RateLimit:
    """A rule of ``rateLimit``: ``request_count`` requests in ``request_time_window`` milliseconds for each ``zone``.

    ``request_path`` is a path below the mount that may end in ``*`` or hold ``:name`` parts. Going beyond is 429.
    """

    request_path: str
    request_time_window: float
    request_count: int
    request_methods: tuple[str, ...] = ()
    zone: str = attrs.field(default="ip")
    include_master_key: bool = False
    include_internal_requests: bool = False
    error_response_message: str = "Too many requests."

    @zone.validator
    def _one_of_four(self, attribute: object, value: str) -> None:  # noqa: ARG002
        if value not in ("ip", "session", "user", "global"):
            raise EngineError(f"zone: {value!r} is none of ip, session, user, global")


@final
@attrs.frozen(slots=True, kw_only=True)
class SecurityOptions:
    """``security``: whether ``GET /security`` answers with a report."""

    enable_check: bool = False


@final
@attrs.frozen(slots=True, kw_only=True)
class ServerOptions:
    """The keys of an application and the rules of its server. ``None`` for a key that does not exist.

    Where one of the client keys (REST, JavaScript, client, windows) exists, a client has to send one that matches.
    Addresses (``master_key_ips``) are addresses or networks; a key sent from elsewhere counts as wrong.
    """

    app_id: str
    master_key: str = attrs.field(repr=False)
    rest_key: str | None = attrs.field(default=None, repr=False, metadata=_named("restAPIKey"))
    javascript_key: str | None = attrs.field(default=None, repr=False)
    client_key: str | None = attrs.field(default=None, repr=False)
    windows_key: str | None = attrs.field(default=None, repr=False, metadata=_named("dotNetKey"))
    maintenance_key: str | None = attrs.field(default=None, repr=False)
    read_only_master_key: str | None = attrs.field(default=None, repr=False)
    webhook_key: str | None = attrs.field(default=None, repr=False)
    mount: str = attrs.field(default="/parse", metadata=_named("mountPath"))
    public_url: str | None = attrs.field(default=None, metadata=_named("publicServerURL"))
    """Where clients reach the mount (``https://api.example.com/parse``), for the URLs of files and mails."""
    server_url: str | None = attrs.field(default=None, metadata=_named("serverURL"))
    """Where this process reaches the mount; the URLs of files have it where ``public_url`` is not known."""
    master_key_ips: tuple[str, ...] = attrs.field(default=LOOPBACK, validator=_networks)
    maintenance_key_ips: tuple[str, ...] = attrs.field(default=LOOPBACK, validator=_networks)
    read_only_master_key_ips: tuple[str, ...] = attrs.field(default=_EVERYBODY, validator=_networks)
    trust_proxy: bool = False
    """Whether ``X-Forwarded-For`` says where a request comes from."""
    max_limit: int | None = None
    max_upload_size: int = 20 * 1024 * 1024
    """The most bytes of a request's body; as an option also ``"20mb"``."""
    allow_origin: tuple[str, ...] = ("*",)
    allow_headers: tuple[str, ...] = ()
    route_allow_list: tuple[str, ...] | None = attrs.field(default=None, validator=_patterns)
    """Regular expressions of the paths that clients may call, ``None`` for all."""
    file_upload: FileUpload = attrs.field(factory=FileUpload)
    file_download: FileDownload = attrs.field(factory=FileDownload)
    file_key: str | None = None
    """The key of files that old Parse applications left on ``files.parsetfss.com`` and ``files.parse.com``."""
    preserve_file_name: bool = False
    idempotency_options: IdempotencyOptions = attrs.field(factory=IdempotencyOptions)
    pages: PagesOptions = attrs.field(factory=PagesOptions)
    live_query: LiveQueryOptions = attrs.field(factory=LiveQueryOptions)
    live_query_server_options: LiveQueryServerOptions = attrs.field(factory=LiveQueryServerOptions)
    request_keyword_denylist: tuple[Mapping[str, JSON] | str, ...] = attrs.field(
        default=_DENYLIST, metadata={"read": _keywords}
    )
    request_complexity: RequestComplexity = attrs.field(factory=RequestComplexity)
    rate_limit: tuple[RateLimit, ...] = ()
    security: SecurityOptions = attrs.field(factory=SecurityOptions)
    enable_sanitized_error_response: bool = True

    @property
    def base_url(self) -> str:
        """What the URLs of files and ``Location`` begin with: as much of the mount's URL as is known."""
        return self.public_url or self.server_url or self.mount
