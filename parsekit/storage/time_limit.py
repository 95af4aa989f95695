"""An end for statements that call Python: regular expressions over many rows, for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

import apsw

from parsekit.errors import TimeoutExceededError

__all__ = ["time_limit"]

_STEPS: Final = 50
"""How many steps of SQLite's machine pass between two looks at the clock: a few rows."""


@contextmanager
def time_limit(connection: apsw.Connection, seconds: float) -> Iterator[None]:
    """End the statement that runs in the block after ``seconds``.

    Raises:
        TimeoutExceededError: 124, it was ended; it had only read.
    """
    deadline = monotonic() + seconds
    connection.set_progress_handler(lambda: monotonic() > deadline, _STEPS)
    try:
        yield
    except apsw.InterruptError as error:
        raise TimeoutExceededError(
            "The query took too long.",
            hint=f"its conditions ran for more than {seconds:g} s; narrow it by an indexed key, "
            "or raise query_time_limit_s",
        ) from error
    finally:
        connection.set_progress_handler(None)
