"""Calls of other machines in the middle of a write, made without holding the writer.

A webhook before a save is called when the object to be saved is known, which is inside the transaction; it may take
seconds, and may itself save objects through this engine. So the write is carried out until it needs the answer
(``CallNeeded``), rolled back, the call is made, and the write is carried out anew with the answer at hand. What is
decided by the answer is therefore decided on the objects as they are then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, TypeVar, final

from parsekit import attrs

__all__ = ["CallNeeded", "answered", "carried_out"]

T = TypeVar("T")


class CallNeeded(BaseException):
    """A write cannot go on before ``call`` is made outside of its transaction."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call


@final
@attrs.define(slots=True)
class _Attempt:
    answers: list[Any]
    used: int = 0


_ATTEMPT: Final[ContextVar[_Attempt | None]] = ContextVar("parsekit_attempt", default=None)


def answered(call: Callable[[], Any]) -> Any:
    """The answer of a call: made before, where the write is carried out by ``carried_out``, else made now."""
    attempt = _ATTEMPT.get()
    if attempt is None:
        return call()
    if attempt.used == len(attempt.answers):
        raise CallNeeded(call)
    answer = attempt.answers[attempt.used]
    attempt.used += 1
    return answer


def carried_out(action: Callable[[], T], *, in_write: bool) -> T:
    """What ``action`` gives, which is run anew after each call that it needs.

    In a transaction that has begun before (``in_write``) nothing can be rolled back for a call; whoever began it may
    carry all of it out.
    """
    if in_write:
        return action()
    answers: list[Any] = []
    while True:
        token = _ATTEMPT.set(_Attempt(answers))
        try:
            return action()
        except CallNeeded as needed:
            call = needed.call
        finally:
            _ATTEMPT.reset(token)
        answers.append(call())
