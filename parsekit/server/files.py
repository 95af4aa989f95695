"""``/files``: uploads, downloads, metadata, deletes (FilesRouter).

A download needs no keys. Who may upload and download is said by ``fileUpload`` and ``fileDownload``; what is kept
and under which name by ``engine.filing``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from parsekit.acl.principal import Principal
from parsekit.acl.system import PERMISSION_DENIED
from parsekit.codec import JSON, loads
from parsekit.errors import (
    FileNameError,
    FileSaveError,
    InvalidJsonError,
    ObjectNotFoundError,
    OperationForbiddenError,
    ParseError,
    ParsekitError,
)
from parsekit.file import PFFile, check_directory, check_file_name
from parsekit.server.credentials import key_principal
from parsekit.server.faults import HttpError, error_body
from parsekit.server.guards import require_master
from parsekit.server.media_types import content_type_of, extension_for, extension_of
from parsekit.server.options import FileDownload, FileUpload, ServerOptions
from parsekit.server.requests import Call, Request, Response
from parsekit.server.routing import Router
from parsekit.server.scanning import check_keywords

__all__ = ["ROUTES", "file_url"]

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~A-Za-z0-9]+")
_OLD_NAME: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}-")


def file_url(options: ServerOptions, name: str) -> str:
    """Where a file can be fetched (FilesController.expandFilesInObject)."""
    if options.file_key is not None:
        old = None
        if name.startswith("tfss-"):
            old = "files.parsetfss.com"
        elif _OLD_NAME.match(name):
            old = "files.parse.com"
        if old is not None:
            return f"http://{old}/{options.file_key}/{quote(name, safe='')}"
    return f"{options.base_url}/files/{options.app_id}/{'/'.join(quote(part, safe='') for part in name.split('/'))}"


# --- uploads ---


def _nameless(_call: Call) -> Response:
    raise FileNameError("Filename not provided.")


def _upload(call: Call) -> Response:
    if call.principal.kind == "read_only_master":
        raise HttpError(403, {"error": PERMISSION_DENIED})
    name, content_type = call.captures["name"], call.headers.get("content-type")
    _check_sender(call, call.options.file_upload, "upload")
    check_file_name(name)
    # SAFETY: a master may store any type; others only those that fileUpload allows.
    if call.principal.kind != "master":
        _check_extension(name, content_type, call.options.file_upload.file_extensions)
    about = _about(call)
    directory = about.get("directory")
    if "directory" in about:
        # SAFETY: a folder is part of a file's name, and only a master chooses names.
        if call.principal.kind != "master":
            raise OperationForbiddenError("Directory can only be set using the Master Key.")
        check_directory(directory)
    if not call.data:
        raise FileSaveError("Invalid file upload.")
    file = _new_file(call, name, content_type, about)
    kept = call.engine.filing.save(file, call.principal, keep_name=call.options.preserve_file_name)
    url = kept.url or file_url(call.options, kept.name)
    return Response(201, {"url": url, "name": kept.name}, {"Location": url})


def _check_sender(call: Call, rules: FileUpload | FileDownload, what: str) -> None:
    """Refuse a sender whose kind may not upload (130) or download (119) files."""
    principal = call.principal
    # SAFETY: masters upload and download whatever the rules for others are.
    if principal.bypasses_permissions:
        return
    refused = None
    if principal.user_id is None:
        refused = None if rules.enable_for_public else "public"
    elif _is_anonymous(call, principal.user_id):
        refused = None if rules.enable_for_anonymous_user else "anonymous user"
    elif not rules.enable_for_authenticated_user:
        refused = "authenticated user"
    if refused is not None:
        error = FileSaveError if what == "upload" else OperationForbiddenError
        raise error(f"File {what} by {refused} is disabled.")


def _is_anonymous(call: Call, user_id: str) -> bool:
    # SAFETY: only whether the sender itself is an anonymous user; nothing is given out.
    user = call.engine.get_object("_User", user_id, Principal.master())
    linked = user.get("authData")
    return isinstance(linked, Mapping) and bool(linked.get("anonymous"))


def _check_extension(name: str, content_type: str | None, allowed: tuple[str, ...]) -> None:
    """Refuse types that ``fileExtensions`` does not allow: of the name, and of a content type that would be served."""

    def check(extension: str) -> None:
        if not any(pattern == "*" or re.search(pattern, extension) for pattern in allowed):
            raise FileSaveError(f"File upload of extension {extension} is disabled.")

    extension = "".join(extension_of(name).partition(";")[0].split())
    if extension:
        check(extension)
    if (extension and content_type_of(name)) or not content_type or "*" in allowed:
        return
    kind, slash, rest = content_type.partition("/")
    kind, subtype = kind.strip(), rest.partition(";")[0].strip()
    if slash and _TOKEN.fullmatch(kind) and _TOKEN.fullmatch(subtype):
        check(subtype)
        return
    bare = "".join((kind if slash else content_type.partition(";")[0]).split())
    if bare:
        check(bare)
    raise FileSaveError("Invalid Content-Type.")


def _about(call: Call) -> dict[str, Any]:
    """What comes with the bytes: ``fileData`` of a JSON upload, headers of a streamed one."""
    if call.headers.get("x-parse-upload-mode") != "stream":
        given = call.body.get("fileData")
        return dict(given) if isinstance(given, dict) else {}
    about: dict[str, Any] = {}
    if directory := call.headers.get("x-parse-file-directory"):
        about["directory"] = directory
    for key in ("metadata", "tags"):
        header = f"X-Parse-File-{key.capitalize()}"
        if text := call.headers.get(header.lower()):
            about[key] = _json_header(header, text)
    return about


def _json_header(header: str, text: str) -> dict[str, JSON]:
    try:
        value = loads(text)
    except InvalidJsonError:
        value = None
    if not isinstance(value, dict):
        raise InvalidJsonError(f"Invalid JSON in {header} header.")
    return value


def _new_file(call: Call, name: str, content_type: str | None, about: Mapping[str, Any]) -> PFFile:
    extension = extension_of(name)
    if not extension and content_type and (guessed := extension_for(content_type)):
        name = f"{name}{'' if name.endswith('.') else '.'}{guessed}"
    elif extension:
        content_type = content_type_of(name) or content_type
    metadata, tags = (about.get(key) or {} for key in ("metadata", "tags"))
    if not isinstance(metadata, dict) or not isinstance(tags, dict):
        raise InvalidJsonError("metadata and tags of a file are objects")
    check_keywords([metadata, tags], call.options.request_keyword_denylist)
    return PFFile(
        name,
        call.data,
        content_type=content_type,
        metadata=metadata,
        tags=tags,
        directory=about.get("directory"),
    )


# --- downloads ---


def _reader(call: Call) -> Call:
    """The call with its principal, as far as headers that nobody has to send tell of one."""
    import attrs

    request = Request(call.method, call.path, headers=call.headers)
    principal = key_principal(request, call.options)
    token = call.headers.get("x-parse-session-token")
    if principal is None and token:
        principal = call.engine.principal_for_session(token)
    reader = attrs.evolve(call, principal=principal or call.principal)
    _check_sender(reader, call.options.file_download, "download")
    return reader


def _download(call: Call) -> Response:
    if call.captures["app_id"] != call.options.app_id:
        raise HttpError(403, {"error": PERMISSION_DENIED})
    call = _reader(call)
    try:
        stored, found = call.engine.filing.read(call.captures["name"], call.principal)
    except (ObjectNotFoundError, FileNameError):
        return Response(404, "File not found.", {"Content-Type": "text/plain"})
    except ParseError as error:
        return Response(403, error_body(error))
    name = found.file.name
    content_type = content_type_of(name) or stored.content_type or "application/octet-stream"
    headers = {"Content-Type": content_type, **found.response_headers}
    if found.force_download:
        headers["Content-Disposition"] = f"attachment;filename={name}"
    part = _range(call.headers.get("range"), len(stored.data))
    if part is None:
        return Response(200, stored.data, headers)
    start, end = part
    headers["Accept-Ranges"] = "bytes"
    headers["Content-Range"] = f"bytes {start}-{end}/{len(stored.data)}"
    return Response(206, stored.data[start:end], headers)


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """The start and the end (one beyond the last byte, which is also what Parse answers) of a byte range.

    ``None`` where the header asks for no single range. A range that is turned round or reaches beyond the file is
    mended, not refused (GridFSBucketAdapter.handleFileStream).
    """
    found = re.fullmatch(r"\s*bytes=(\d*)-(\d*)\s*", header or "")
    if found is None:
        return None
    first = int(found[1]) if found[1] else None
    last = int(found[2]) if found[2] else size
    if first is None:
        return max(0, size - last if found[2] else 0), size
    start, end = min(first, last, size), max(first, last) + 1
    return start, min(end, size)


def _metadata(call: Call) -> Response:
    if call.captures["app_id"] != call.options.app_id:
        return Response(200, {})
    try:
        stored, _ = _reader(call).engine.filing.read(call.captures["name"], call.principal)
    except (ObjectNotFoundError, FileNameError):
        return Response(200, {})
    except ParsekitError as error:
        return Response(403, error_body(error) if isinstance(error, ParseError) else {"error": str(error)})
    return Response(200, {"metadata": dict(stored.metadata)})


def _delete(call: Call) -> Response:
    require_master(call)
    if call.principal.kind == "read_only_master":
        raise HttpError(403, {"error": PERMISSION_DENIED})
    call.engine.filing.delete(call.captures["name"], call.principal)
    return Response(200, b"", {"Content-Type": "application/json"})


ROUTES: Final = Router()
ROUTES.add("GET", "/files/{app_id}/metadata/{name...}", _metadata, kind="public")
ROUTES.add("GET", "/files/{app_id}/{name...}", _download, kind="public")
ROUTES.add("POST", "/files", _nameless, kind="public")
ROUTES.add("POST", "/files/{name}", _upload, kind="upload")
ROUTES.add("DELETE", "/files/{name...}", _delete, kind="raw")
