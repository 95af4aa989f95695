"""Where new objectIds come from: 10 characters of ``[A-Za-z0-9]``, as Parse makes them."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from typing import Final

__all__ = ["OBJECT_ID_SIZE", "random_object_ids"]

OBJECT_ID_SIZE: Final = 10
_ALPHABET: Final = (string.ascii_uppercase + string.ascii_lowercase + string.digits).encode()
# 248 = 4 * 62: a byte below it is an unbiased choice among 62 characters
_TABLE: Final = bytes(_ALPHABET[byte % 62] if byte < 248 else 0 for byte in range(256))


def random_object_ids(size: int = OBJECT_ID_SIZE) -> Callable[[], str]:
    """A source of random ids. Random bytes are drawn in blocks, so that an id costs well under a microsecond."""
    pool: list[str] = []

    def refill() -> str:
        block = secrets.token_bytes(8192).translate(_TABLE, b"").replace(b"\x00", b"").decode("ascii")
        pool.extend(block[start : start + size] for start in range(0, len(block) - size + 1, size))
        return pool.pop()

    def new_id() -> str:
        try:
            return pool.pop()
        except IndexError:
            return refill()

    return new_id
