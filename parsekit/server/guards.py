"""Checks that several routes share."""

from __future__ import annotations

from parsekit.server.faults import HttpError
from parsekit.server.requests import Call

__all__ = ["require_master", "require_writing_master"]


def require_master(call: Call) -> None:
    """Let only a master through.

    Raises:
        HttpError: 403, which 9.10 words ``Permission denied`` (middlewares.enforceMasterKeyAccess).
    """
    # SAFETY: the routes behind this read and change what no client may.
    if call.principal.kind not in ("master", "read_only_master"):
        raise HttpError(403, {"error": "Permission denied"}, detail="unauthorized: master key is required")


def require_writing_master(call: Call, action: str) -> None:
    """Let only a master through that may write.

    Raises:
        HttpError: 403, no master.
        OperationForbiddenError: 119, a read-only master.
    """
    require_master(call)
    if call.principal.kind == "read_only_master":
        from parsekit.acl.system import forbidden

        raise forbidden(f"read-only masterKey isn't allowed to {action}.")
