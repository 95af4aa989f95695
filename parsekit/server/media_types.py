"""Which content type a file name's extension stands for, and the other way round.

The table is the standard library's without what the machine adds to it, so that every machine answers alike.
"""

from __future__ import annotations

import mimetypes
from typing import Final

__all__ = ["content_type_of", "extension_for", "extension_of"]

_MORE: Final = {
    "gz": "application/gzip",
    "heic": "image/heic",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "rar": "application/vnd.rar",
    "svgz": "image/svg+xml",
    "toml": "application/toml",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "yaml": "text/yaml",
    "yml": "text/yaml",
}
_USUAL: Final = {
    "application/octet-stream": "bin",
    "audio/mpeg": "mp3",
    "image/jpeg": "jpg",
    "image/tiff": "tif",
    "text/html": "html",
    "text/plain": "txt",
    "video/mpeg": "mpeg",
    "video/mp4": "mp4",
}
_TABLES: Final = mimetypes.MimeTypes(filenames=())


def extension_of(name: str) -> str:
    """What follows the last dot; empty without a dot."""
    return name.rpartition(".")[2] if "." in name else ""


def content_type_of(name: str) -> str | None:
    """The content type of a file of this name, ``None`` where its extension is not known."""
    extension = extension_of(name).lower()
    if extension in _MORE:
        return _MORE[extension]
    return next((table[f".{extension}"] for table in _TABLES.types_map if f".{extension}" in table), None)


def extension_for(content_type: str) -> str | None:
    """An extension for a content type without its dot, ``None`` where none is known."""
    plain = content_type.partition(";")[0].strip().lower()
    found = _USUAL.get(plain) or next((key for key, value in _MORE.items() if value == plain), None)
    if found is None:
        guessed = _TABLES.guess_extension(plain, strict=False)
        found = None if guessed is None else guessed[1:]
    return found
