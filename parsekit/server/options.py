"""What a server is told beyond its engine: the application's keys and where it is mounted."""

from __future__ import annotations

from typing import final

import attrs

__all__ = ["ServerOptions"]


@final
@attrs.frozen(slots=True, kw_only=True)
class ServerOptions:
    """The keys of an application under Parse Server's names. ``None`` for a key that does not exist.

    Where one of the client keys (REST, JavaScript, client, windows) exists, a client has to send one that matches.
    """

    app_id: str
    master_key: str = attrs.field(repr=False)
    rest_key: str | None = attrs.field(default=None, repr=False)
    javascript_key: str | None = attrs.field(default=None, repr=False)
    client_key: str | None = attrs.field(default=None, repr=False)
    windows_key: str | None = attrs.field(default=None, repr=False)
    maintenance_key: str | None = attrs.field(default=None, repr=False)
    read_only_master_key: str | None = attrs.field(default=None, repr=False)
    webhook_key: str | None = attrs.field(default=None, repr=False)
    mount: str = "/parse"
    public_url: str | None = None
    """Where clients reach the mount (``https://api.example.com/parse``), for the URLs of files."""
    batch_limit: int = -1
