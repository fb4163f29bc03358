"""Sends the bytes of a row and reads what comes back, for ten seconds at most."""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tests.support.http_server import Answer
from tests.support.odd.row import Row

MOST_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.05


@dataclass(kw_only=True)
class Heard:
    """What came back: the answers, the bytes after them that are none, and whether the time ran out before the end."""

    answers: list[Answer] = field(default_factory=list)
    rest: bytes = b""
    is_hanging: bool = False
    seconds: float = 0


def call(port: int, row: Row, names: Mapping[str, object]) -> Heard:
    """Send a row; return when its answers are there, or the server has closed the connection."""
    start = time.monotonic()
    received, is_hanging = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=MOST_SECONDS) as connection:
        with suppress(ConnectionError, TimeoutError):  # refused while it is sent; the answer may be there
            _send(connection, row, names)
        try:
            while part := connection.recv(1 << 20):
                received += part
                connection.settimeout(max(0.01, start + MOST_SECONDS - time.monotonic()))
        except ConnectionError:
            is_hanging = False
        except TimeoutError:
            is_hanging = True
    answers, rest = read_answers(received, is_head=row.sent.startswith(b"HEAD "))
    return Heard(answers=answers, rest=rest, is_hanging=is_hanging, seconds=time.monotonic() - start)


def call_again_while_busy(port: int, row: Row, names: Mapping[str, object]) -> Heard:
    """Send a row as :func:`call` does; again, twenty times at most, while the site says that other requests keep it."""
    for _ in range(20):
        heard = call(port, row, names)
        if not any(b'"code":"busy"' in answer.body.replace(b" ", b"") for answer in heard.answers):
            break
        time.sleep(PAUSE_SECONDS)
    return heard


def _send(connection: socket.socket, row: Row, names: Mapping[str, object]) -> None:
    first, *later = row.bytes_of(names)
    connection.sendall(first)
    for part in later:
        time.sleep(PAUSE_SECONDS)
        connection.sendall(part)
    if row.half_closed:
        connection.shutdown(socket.SHUT_WR)


def read_answers(received: bytes, *, is_head: bool) -> tuple[list[Answer], bytes]:
    """Split into answers by their lengths; an interim one (1xx) is none."""
    found = []
    while received.startswith(b"HTTP/1."):
        start, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            break
        first, *lines = start.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        if status < 200:
            received = rest
            continue
        length = 0 if is_head else int(headers.get("content-length", len(rest)))
        found.append(Answer(status=status, headers=headers, body=rest[:length]))
        received = rest[length:]
    return found, received
