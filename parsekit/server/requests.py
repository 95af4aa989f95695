"""A REST request and its answer as data, before and after HTTP.

``Request`` is what came in, as text and bytes; ``Call`` is what it means: who asks (``Principal``), for which route,
with which JSON body. ``Response`` is what goes out. Reading a socket and writing one is the ASGI shell's affair; keys
and sessions are ``credentials``'. Bodies, parameters and headers carry passwords and tokens, so no ``repr`` has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.codec import JSON, loads

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.json_reads import JsonReads
    from parsekit.server.options import ServerOptions

__all__ = ["Call", "Request", "Response"]

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@final
@attrs.frozen(slots=True)
class Request:
    """A request as HTTP carries it. ``path`` is below the mount, ``headers`` have lower-case names."""

    method: str
    path: str
    params: Mapping[str, str] = attrs.field(default=_NONE, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    headers: Mapping[str, str] = attrs.field(default=_NONE, repr=False)
    client_host: str = "127.0.0.1"


@final
@attrs.frozen(slots=True)
class Response:
    """An answer. ``body`` is JSON, except where ``headers`` state a ``Content-Type``: then it is text or bytes.

    ``text`` is the JSON in writing, where there is no other form of it; ``body`` is then read from it.
    """

    status: int = 200
    _body: Any = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = _NONE
    text: str | None = attrs.field(default=None, repr=False, kw_only=True)

    @property
    def body(self) -> Any:
        """What is answered."""
        return self._body if self.text is None else loads(self.text)


@final
@attrs.frozen(slots=True)
class Call:
    """A request whose keys are right, on its way to a route.

    ``params`` are the query string's parameters, each as the JSON it spells; ``body`` is a JSON object without the
    keys that only carry credentials; ``captures`` are the variable parts of the path. ``session_token`` is what the
    client sent, whether or not the route cares for it. ``data`` are the bytes of an upload, which has no JSON body.
    ``text`` and ``query`` are what body and parameters were read from (in a batch those of the whole).
    """

    engine: ParseEngine
    reads: JsonReads
    options: ServerOptions
    principal: Principal
    method: str
    path: str
    params: Mapping[str, JSON] = attrs.field(repr=False)
    body: dict[str, JSON] = attrs.field(repr=False)
    captures: Mapping[str, str] = _NONE
    session_token: str | None = attrs.field(default=None, repr=False)
    installation_id: str | None = None
    context: Mapping[str, JSON] = _NONE
    headers: Mapping[str, str] = attrs.field(default=_NONE, repr=False)
    data: bytes = attrs.field(default=b"", repr=False)
    text: bytes = attrs.field(default=b"", repr=False)
    client_host: str = "127.0.0.1"
    query: Mapping[str, str] = attrs.field(default=_NONE, repr=False)
    """The parameters of the query string as they came."""

    @property
    def asked(self) -> dict[str, JSON]:
        """The parameters of a reading route: those of the body, over them those of the query string."""
        return {**self.body, **self.params}
