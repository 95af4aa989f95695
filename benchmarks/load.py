"""A closed loop of HTTP clients on loopback: each sends its next request when the last answer has come.

Requests are made beforehand, answers are read and not parsed, so that the client takes little of the machine.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import attrs

__all__ = ["Loop", "loop", "wire"]

_TIMEOUT_S: Final = 60.0
_PIECE: Final = 1 << 16
_END: Final = b"\r\n\r\n"


@final
@attrs.frozen
class Loop:
    """What a loop measured: requests a second, and the median of the single answers' seconds."""

    per_second: float
    p50_s: float


def wire(method: str, path: str, headers: Mapping[str, str], body: Any = None) -> bytes:
    """A request as it goes over the wire."""
    sent = b"" if body is None else json.dumps(body).encode()
    fields = {**headers, "Host": "127.0.0.1", "Content-Length": str(len(sent))}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{head}\r\n".encode() + sent


def loop(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Loop:
    """Run ``clients`` clients for so long, each with its share of the requests, over and over.

    Raises:
        RuntimeError: an answer was an error.
    """
    clients = min(clients, len(requests))
    times_s: list[list[float]] = [[] for _ in range(clients)]
    problems: list[str] = []
    until = time.perf_counter() + seconds

    def client(number: int) -> None:
        try:
            _client(port, requests[number::clients], until, times_s[number])
        except (OSError, RuntimeError, ValueError) as error:
            problems.append(f"{type(error).__name__}: {error}")

    start = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed_s = time.perf_counter() - start
    if problems:
        raise RuntimeError(problems[0])
    taken_s = sorted(one for each in times_s for one in each)
    return Loop(len(taken_s) / elapsed_s, taken_s[len(taken_s) // 2])


def _client(port: int, requests: Sequence[bytes], until: float, times_s: list[float]) -> None:
    clock = time.perf_counter
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(1_000_000_000):
            start = clock()
            connection.sendall(requests[place % len(requests)])
            _answer(connection)
            now = clock()
            times_s.append(now - start)
            if now > until:
                return


def _answer(connection: socket.socket) -> None:
    got = b""
    while _END not in got:
        got += _more(connection)
    head, _, body = got.partition(_END)
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if "content-length" not in fields:
        raise RuntimeError(f"an answer without Content-Length: {lines}")
    left = int(fields["content-length"]) - len(body)
    pieces = [body]
    while left > 0:
        pieces.append(_more(connection))
        left -= len(pieces[-1])
    if status >= 400:
        raise RuntimeError(f"{status}: {b''.join(pieces)[:200]!r}")


def _more(connection: socket.socket) -> bytes:
    piece = connection.recv(_PIECE)
    if not piece:
        raise RuntimeError("the server closed the connection")
    return piece
