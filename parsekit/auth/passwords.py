"""Password hashes: made with argon2id where argon2-cffi is installed, with the standard library's scrypt
where not.

Hashes of any scheme verify (bcrypt ones come with users of a Parse Server); a hash that today's options
would not make is *outdated* and replaced at the user's next login. ``verify`` does the work of one
verification whether or not there is a hash, so that the time a login takes does not tell whether the user
exists.

What a password has to look like is ``policy``'s affair.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, final

from parsekit.errors import EngineError

if TYPE_CHECKING:
    from parsekit.auth.options import PasswordCost

__all__ = ["Passwords", "scheme_of"]

_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 1
_SALT_SIZE: Final = 16
_BCRYPT_LIMIT: Final = 72


def scheme_of(stored: str) -> str:
    """``argon2``, ``scrypt``, ``bcrypt`` or ``unknown``."""
    if stored.startswith("$argon2"):
        return "argon2"
    if stored.startswith("$scrypt$"):
        return "scrypt"
    return "bcrypt" if stored.startswith(("$2a$", "$2b$", "$2y$")) else "unknown"


@final
class Passwords:
    """Makes and verifies hashes. One per engine."""

    def __init__(self, cost: PasswordCost, random_bytes: Callable[[int], bytes]) -> None:
        self._cost = cost
        self._random_bytes = random_bytes

    @cached_property
    def _argon2(self) -> Any:
        """argon2-cffi's hasher, ``None`` without the extra ``auth``."""
        try:
            from argon2 import PasswordHasher
        except ImportError:
            return None
        cost = self._cost
        return PasswordHasher(cost.time_cost, cost.memory_kib, cost.parallelism)

    @cached_property
    def _decoy(self) -> str:
        """The hash of a password that nobody has."""
        return self.hash(self._random_bytes(_SALT_SIZE).hex())

    def prepare(self) -> None:
        """Make ready what a first login would otherwise have to wait for."""
        _ = self._decoy

    def hash(self, password: str) -> str:
        """A salted hash."""
        salt = self._random_bytes(_SALT_SIZE)
        if self._argon2 is not None:
            return str(self._argon2.hash(_encoded(password), salt=salt))
        return _scrypt(password, salt, self._cost.scrypt_log_n)

    def verify(self, password: str, stored: str | None) -> bool:
        """Whether ``password`` is the one of ``stored``; without a hash it never is, and takes as long to
        say.

        Raises:
            EngineError: the hash is of a scheme whose library is not installed.
        """
        if stored is None:
            self._matches(password, self._decoy)
            return False
        return self._matches(password, stored)

    def _matches(self, password: str, stored: str) -> bool:
        scheme = scheme_of(stored)
        if scheme == "argon2":
            return self._matches_argon2(password, stored)
        if scheme == "scrypt":
            return _matches_scrypt(password, stored)
        return scheme == "bcrypt" and _matches_bcrypt(password, stored)

    def _matches_argon2(self, password: str, stored: str) -> bool:
        if self._argon2 is None:
            raise EngineError("password hash: it is argon2's; install parsekit[auth] to verify it")
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return bool(self._argon2.verify(stored, _encoded(password)))
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, stored: str) -> bool:
        """Whether a new hash of the same password would be of another scheme or cost."""
        if self._argon2 is not None:
            return scheme_of(stored) != "argon2" or bool(self._argon2.check_needs_rehash(stored))
        return not stored.startswith(_scrypt_head(self._cost.scrypt_log_n))


def _encoded(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _scrypt_head(log_n: int) -> str:
    return f"$scrypt$ln={log_n},r={_SCRYPT_R},p={_SCRYPT_P}$"


def _scrypt(password: str, salt: bytes, log_n: int) -> str:
    memory = 256 * _SCRYPT_R << log_n
    key = hashlib.scrypt(_encoded(password), salt=salt, n=1 << log_n, r=_SCRYPT_R, p=_SCRYPT_P, maxmem=memory)
    return f"{_scrypt_head(log_n)}{base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def _matches_scrypt(password: str, stored: str) -> bool:
    try:
        head, salt, _ = stored.rsplit("$", 2)
        log_n = int(head.split("$")[2].split(",")[0].removeprefix("ln="))
        again = _scrypt(password, base64.b64decode(salt), log_n)
    except (ValueError, IndexError, binascii.Error):
        return False
    return hmac.compare_digest(again, stored)


def _matches_bcrypt(password: str, stored: str) -> bool:
    try:
        import bcrypt
    except ImportError as error:
        raise EngineError("password hash: it is bcrypt's; install parsekit[auth] to verify it") from error
    try:
        # bcrypt looks at 72 bytes; its Python library raises beyond them where Node's cuts
        return bcrypt.checkpw(_encoded(password)[:_BCRYPT_LIMIT], stored.encode())
    except ValueError:
        return False
