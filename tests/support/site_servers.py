"""The site behind gunicorn, uvicorn and granian, each started by its command line in production.md."""

import re
import secrets
import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from django.conf import settings

from tests.support.concurrency import TimedOut, until
from tests.support.doc_pages import PAGES
from tests.support.http_server import database_url, free_port
from tests.support.processes import Process

SERVERS: Final = ("gunicorn", "uvicorn", "granian")
START_SECONDS: Final = 60


def command_of(server: str) -> list[str]:
    """Return the one command line of this server in the page."""
    (line,) = re.findall(rf"^{server} .*$", PAGES["production"].read_text(), re.MULTILINE)
    return shlex.split(line)


def option_of(server: str, option: str) -> str:
    """Return the value of an option in that line."""
    words = command_of(server)
    return words[words.index(option) + 1]


@contextmanager
def served_by(server: str, directory: Path) -> Iterator[tuple[int, Process]]:
    """Serve the site on the test database, with the page's options; give the port and the process."""
    port = free_port()
    arguments = [word.replace("8000", str(port)) for word in command_of(server)]
    environment = {
        "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        "DATABASE_URL": database_url(),
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "INSECURE_HTTP": "1",
    }
    process = Process("-m", *arguments, log_path=directory / f"{server}.log", environment=environment)
    try:
        try:
            until(lambda: _answers(port, process), seconds=START_SECONDS, what=f"{server} to answer")
        except TimedOut as error:
            raise RuntimeError(f"{error}:\n{process.log}") from error
        yield port, process
    finally:
        process.stop()


def open_files(process: Process) -> int:
    """Return how many files and sockets the process and its children have open."""
    pids = [process.pid]
    for pid in pids:
        pids += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def _answers(port: int, process: Process) -> bool:
    if not process.is_alive:
        raise RuntimeError(f"the server has ended:\n{process.log}")
    # Not half-closed: uvicorn ends a request whose caller seems to have gone.
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/livez", headers={"Host": "localhost"})
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
