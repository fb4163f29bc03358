"""The reference host behind a real gunicorn, on the test database."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.support.source import ROOT

START_SECONDS: Final = 30
ANSWER_SECONDS: Final = 15


@dataclass(frozen=True, kw_only=True)
class Site:
    """A running site: its address, a project in it, and an API key of the project's organization."""

    address: str
    project_key: str
    secret: str
    key_id: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back over the socket; ``headers`` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes


def database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{Path(database['NAME']).resolve()}"
    login = ":".join(quote(str(database[part]), safe="") for part in ("USER", "PASSWORD") if database[part])
    # A host that is a directory, as sockets have it, stands quoted in a URL.
    where = f"{quote(database['HOST'] or '127.0.0.1', safe='')}:{database['PORT'] or 5432}"
    return f"postgres://{login}@{where}/{database['NAME']}"


@contextmanager
def running_server(
    log: IO[bytes] | None = None, *, url: str = "", threads: int = 2, access_log: str = os.devnull, **variables: str
) -> Iterator[int]:
    """Serve the site, on the test database or that of ``url``; the value is the port.

    What it prints goes into ``log``, or where ours goes. ``variables`` are set in its environment, for
    example other settings.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
            "DATABASE_URL": url or database_url(),
            "SECRET_KEY": secrets.token_urlsafe(64),
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "INSECURE_HTTP": "1",
            **variables,
        }
        command = [sys.executable, "-m", "gunicorn", "--config", "python:jobsite.gunicorn_conf"]
        command += [
            "--threads",
            str(threads),
            "--bind",
            f"fd://{listener.fileno()}",
            "--access-logfile",
            access_log,
            "jobsite.wsgi",
        ]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()], stderr=log)
        try:
            wait_until_it_answers(port, server)
            yield port
        finally:
            server.terminate()
            server.wait(timeout=START_SECONDS)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_it_answers(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Wait until a server takes connections, ``START_SECONDS`` at most."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            request(port, "/livez")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server did not start; its exit status is {server.poll()}")


def request(
    port: int, path: str, *headers: str, method: str = "GET", host: str = "localhost", body: str = ""
) -> "Answer":
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    lines += [f"Content-Length: {len(body)}", "", body]
    return send(port, "\r\n".join(lines).encode(), is_cut=False)


def send(port: int, request: bytes, *, is_cut: bool = True) -> Answer:
    """Send bytes as they are, and read to the end; of those that may be cut, say that no more will come.

    nginx takes that for a caller who has gone, so it is not said of a whole request. A server that refuses a body
    answers before it has read it, and closes: by RST, for what is still to be read.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection_:
        with suppress(ConnectionError):
            connection_.sendall(request)
        if is_cut:
            with suppress(OSError):  # ENOTCONN: closed already
                connection_.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while part := connection_.recv(65536):
                received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/"):
        raise ConnectionError(f"no answer but {received!r}")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(status=int(first.split()[1]), headers=headers, body=body)
