"""Every error parsekit raises: Parse's numbered errors and the engine's own.

``ParsekitError`` is the root. ``ParseError`` carries one of Parse's codes and crosses hooks and REST
unchanged; there is one subclass per code that the engine raises, so that callers catch by name.
``EngineError`` is misuse of the library, ``StorageError`` the database below, ``SchemaError`` a wrong
schema description, ``NotOfferedError`` a Parse feature that parsekit leaves out.

A message names the place first, then what is wrong, what was expected, and how to fix it. Where Parse
fixes the text of a code, ``message`` is Parse's text and ``hint`` is ours; ``str()`` shows both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

__all__ = [
    "ERRORS_BY_CODE",
    "AccountLinkedError",
    "AclError",
    "AggregateError",
    "CacheMissError",
    "ClassNameError",
    "CommandUnavailableError",
    "DataNotAvailableError",
    "DuplicateRequestError",
    "DuplicateValueError",
    "EmailAddressError",
    "EmailMissingError",
    "EmailNotFoundError",
    "EmailTakenError",
    "EngineClosedError",
    "EngineError",
    "FileDeleteError",
    "FileNameError",
    "FileSaveError",
    "InternalServerError",
    "InvalidJsonError",
    "InvalidPointerError",
    "InvalidQueryError",
    "InvalidSessionTokenError",
    "InvalidValueError",
    "KeyNameError",
    "MissingKeyError",
    "MissingObjectIdError",
    "NestedKeyError",
    "NotOfferedError",
    "ObjectNotFoundError",
    "ObjectTooLargeError",
    "OperationForbiddenError",
    "OtherCauseError",
    "ParseError",
    "ParsekitError",
    "PasswordMissingError",
    "RefusedInputError",
    "RequestLimitError",
    "RoleNameError",
    "SchemaError",
    "SchemaOperationError",
    "ScriptError",
    "SessionMissingError",
    "StorageError",
    "SubscriptionLagged",
    "TimeoutExceededError",
    "TypeMismatchError",
    "UnsavedFileError",
    "UnsupportedServiceError",
    "UserSignUpError",
    "UsernameMissingError",
    "UsernameTakenError",
    "ValidationError",
    "did_you_mean",
    "parse_error",
]


class ParsekitError(Exception):
    """Root of every error that parsekit raises on purpose."""


class ParseError(ParsekitError):
    """An error with one of Parse's codes.

    ``code`` is Parse's number, ``message`` Parse's text (what REST sends as ``error``) and ``hint`` what
    parsekit adds for the developer. Raise the subclass that belongs to a code, or ``parse_error(code, text)``.
    """

    default_code: ClassVar[int] = -1

    def __init__(self, message: str, *, code: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message: str = message
        self.hint: str | None = hint
        self.code: int = self.default_code if code is None else code

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.code}, {str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.code, self.hint))


def _rebuild(kind: type[ParseError], message: str, code: int, hint: str | None) -> ParseError:
    return kind(message, code=code, hint=hint)


class OtherCauseError(ParseError):
    """-1: a precondition of the SDK or of the server that has no code of its own."""

    default_code = -1


class InternalServerError(ParseError):
    """1: the request was understood and cannot be carried out."""

    default_code = 1


class ObjectNotFoundError(ParseError, LookupError):
    """101: no such object, or none that the caller may see. The two cannot be told apart."""

    default_code = 101

    def __init__(
        self, message: str = "Object not found.", *, code: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)


class InvalidQueryError(ParseError, ValueError):
    """102: the query is malformed."""

    default_code = 102


class ClassNameError(ParseError, ValueError):
    """103: the class name is not allowed, or the class exists or does not."""

    default_code = 103


class MissingObjectIdError(ParseError, ValueError):
    """104: an objectId is needed."""

    default_code = 104


class KeyNameError(ParseError, ValueError):
    """105: the key (field name) is not allowed."""

    default_code = 105


class InvalidPointerError(ParseError, ValueError):
    """106: a pointer to an unsaved object, or a cycle of new objects."""

    default_code = 106


class InvalidJsonError(ParseError, ValueError):
    """107: a value or constraint is malformed."""

    default_code = 107


class CommandUnavailableError(ParseError):
    """108: the operation does not exist or is switched off."""

    default_code = 108


class TypeMismatchError(ParseError, TypeError):
    """111: a value's type is not its field's type."""

    default_code = 111


class ObjectTooLargeError(ParseError):
    """116: the object exceeds the size limit."""

    default_code = 116


class OperationForbiddenError(ParseError, PermissionError):
    """119: class-level permissions or the rules of a system class forbid this."""

    default_code = 119


class CacheMissError(ParseError, LookupError):
    """120: the local datastore does not hold the object."""

    default_code = 120


class NestedKeyError(ParseError, ValueError):
    """121: a nested key contains ``$`` or ``.``."""

    default_code = 121


class FileNameError(ParseError, ValueError):
    """122: the file name is not allowed."""

    default_code = 122


class AclError(ParseError, ValueError):
    """123: the ACL is malformed."""

    default_code = 123


class TimeoutExceededError(ParseError, TimeoutError):
    """124: a time limit ended the operation."""

    default_code = 124


class EmailAddressError(ParseError, ValueError):
    """125: the email address is malformed."""

    default_code = 125


class FileSaveError(ParseError):
    """130: the file could not be saved."""

    default_code = 130


class DuplicateValueError(ParseError, ValueError):
    """137: a unique field or index already holds the value."""

    default_code = 137

    def __init__(
        self,
        message: str = "A duplicate value for a field with unique values was provided",
        *,
        code: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)


class RoleNameError(ParseError, ValueError):
    """139: the role name is not allowed."""

    default_code = 139


class ScriptError(ParseError):
    """141: a hook or function failed, or there is none of that name."""

    default_code = 141


class ValidationError(ParseError, ValueError):
    """142: a required field is missing, or a validator refused."""

    default_code = 142


class UnsavedFileError(ParseError):
    """151: a file has not been saved yet."""

    default_code = 151


class FileDeleteError(ParseError):
    """153: the file could not be deleted."""

    default_code = 153


class RequestLimitError(ParseError):
    """155: too many requests."""

    default_code = 155


class DuplicateRequestError(ParseError):
    """159: a request with this id has been carried out already."""

    default_code = 159


class InvalidValueError(ParseError, ValueError):
    """162: an invalid value."""

    default_code = 162


class UsernameMissingError(ParseError, ValueError):
    """200: the username is missing."""

    default_code = 200


class PasswordMissingError(ParseError, ValueError):
    """201: the password is missing."""

    default_code = 201


class UsernameTakenError(ParseError, ValueError):
    """202: the username is taken."""

    default_code = 202


class EmailTakenError(ParseError, ValueError):
    """203: the email address is taken."""

    default_code = 203


class EmailMissingError(ParseError, ValueError):
    """204: an email address is needed."""

    default_code = 204


class EmailNotFoundError(ParseError, LookupError):
    """205: no user has this email address, or it is not verified."""

    default_code = 205


class SessionMissingError(ParseError, PermissionError):
    """206: a user can only be changed with that user's session."""

    default_code = 206


class UserSignUpError(ParseError):
    """207: a user can only be created through sign-up."""

    default_code = 207


class AccountLinkedError(ParseError):
    """208: the third-party account belongs to another user."""

    default_code = 208


class InvalidSessionTokenError(ParseError, PermissionError):
    """209: the session token is unknown or expired."""

    default_code = 209

    def __init__(
        self, message: str = "Invalid session token", *, code: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)


class UnsupportedServiceError(ParseError):
    """252: no auth adapter of that name."""

    default_code = 252


class SchemaOperationError(ParseError, ValueError):
    """255: a change of the schema is not possible."""

    default_code = 255


class AggregateError(ParseError):
    """600: several objects of one request failed; ``errors`` holds (index, error) pairs."""

    default_code = 600

    def __init__(self, message: str, *, code: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.errors: list[tuple[int, ParseError]] = []


def _leaf_errors() -> dict[int, type[ParseError]]:
    return {kind.default_code: kind for kind in ParseError.__subclasses__()}


ERRORS_BY_CODE: Final[dict[int, type[ParseError]]] = _leaf_errors()
"""Parse's code -> the class raised for it."""


def parse_error(code: int, message: str, *, hint: str | None = None) -> ParseError:
    """The error of the class that belongs to ``code``; a plain ``ParseError`` when no class does."""
    kind = ERRORS_BY_CODE.get(code, ParseError)
    return kind(message, code=code, hint=hint)


class EngineError(ParsekitError):
    """The library was used in a way that cannot work: no engine is open, two engines are mixed, ..."""


class EngineClosedError(EngineError):
    """The engine has been closed."""


class DataNotAvailableError(EngineError, KeyError):
    """A key of a partial object was read that has not been fetched."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingKeyError(EngineError, KeyError):
    """A key was read that the (complete) object does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


class StorageError(ParsekitError):
    """SQLite refused: not a database, read-only, disk full, busy beyond the time limit, newer format.

    ``sqlite_code`` is SQLite's extended result code (0 when SQLite was not asked), ``written`` tells whether
    any part of the operation reached the file.
    """

    def __init__(self, message: str, *, sqlite_code: int = 0, written: bool = False) -> None:
        super().__init__(message)
        self.sqlite_code = sqlite_code
        self.written = written


class SchemaError(ParsekitError, ValueError):
    """A schema description is wrong. ``problems`` lists every problem found, each with its path."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        count = len(self.problems)
        head = "1 problem in the schema" if count == 1 else f"{count} problems in the schema"
        super().__init__(f"{head}:\n" + "\n".join(f"  {problem}" for problem in self.problems))


class RefusedInputError(ParsekitError, ValueError):
    """Input cannot be imported. ``problems`` lists what is wrong, each with its place; ``total`` may be more."""

    def __init__(self, problems: Iterable[str], total: int | None = None) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        self.total = len(self.problems) if total is None else total
        lines = list(self.problems)
        if self.total > len(lines):
            lines.append(f"and {self.total - len(lines)} more")
        head = [] if self.total == 1 else [f"{self.total} problems in the input:"]
        super().__init__("\n  ".join([*head, *lines]))


class NotOfferedError(ParsekitError):
    """A Parse feature that parsekit does not offer; the message names it and says what to do instead."""


class SubscriptionLagged(ParsekitError):  # noqa: N818 - a state that is resumed from
    """A subscriber fell behind its bounded queue; resume from ``last_sequence``."""

    def __init__(self, last_sequence: int) -> None:
        super().__init__(
            f"subscription: its event queue was full and it was closed after sequence number {last_sequence}; "
            f"subscribe again with resume_from={last_sequence}"
        )
        self.last_sequence = last_sequence


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``'; did you mean "stage"?'`` for the nearest known word, or an empty string."""
    import difflib

    choices = list(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if not near:
        folded = {choice.casefold(): choice for choice in choices}
        match = folded.get(word.casefold())
        near = [match] if match else []
    return f'; did you mean "{near[0]}"?' if near else ""
