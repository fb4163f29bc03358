"""Runs the site and a worker as child processes, and ends both together."""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from django.conf import settings

HOST: Final = "127.0.0.1"
PORTS_TRIED: Final = 100
START_SECONDS: Final = 30
# A worker promises to end within 10 s.
END_SECONDS: Final = 12
POLL_SECONDS: Final = 0.2
# The exit status of a worker that is to be restarted, as one of its threads hangs.
RESTART: Final = 3


class NoFreePort(Exception):
    """All ports that were tried are in use."""


class ServiceEnded(Exception):
    """The site or the worker ended by itself, or did not start; the text says which."""


def listen(first_port: int) -> socket.socket:
    """Return a socket that listens on the first free port from ``first_port`` on.

    The server inherits it, so nobody can take the port in between.

    Raises:
        NoFreePort: a hundred ports are in use.
    """
    for port in range(first_port, min(first_port + PORTS_TRIED, 65_536)):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(128)
        except OSError:
            listener.close()
        else:
            return listener
    last = min(first_port + PORTS_TRIED, 65_536) - 1
    raise NoFreePort(f"no port from {first_port} to {last} is free")


def address_of(listener: socket.socket) -> str:
    """Return ``http://127.0.0.1:port``."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """Set the event on Ctrl-C, SIGTERM and a closed terminal, instead of raising."""
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(kw_only=True)
class _Service:
    name: str
    command: list[str]
    # A listening socket's file descriptor, or none.
    descriptors: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str]) -> None:
        """Start it in its own session: Ctrl-C in the terminal reaches only this process, which ends it once."""
        self.process = subprocess.Popen(  # noqa: S603 – our own programs
            self.command,
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=self.descriptors,
            start_new_session=True,
        )


def serve(listener: socket.socket, *, project_key: str, ready: Callable[[], None], stopping: threading.Event) -> None:
    """Run site and worker until ``stopping`` is set; call ``ready`` once when the site answers.

    Both have ended when this call returns or raises.

    Raises:
        ServiceEnded: one of them has ended by itself, or the site did not answer within 30 s.
    """
    environment = _environment(project_key)
    services = _services(listener)
    try:
        for service in services:
            service.start(environment)
        _await_answer(listener, services, stopping)
        if not stopping.is_set():
            ready()
        while not stopping.wait(POLL_SECONDS):
            _check(services, environment)
    finally:
        _end(services)


def _services(listener: socket.socket) -> list[_Service]:
    gunicorn = ["-m", "gunicorn", "--config", "python:jobsite.gunicorn_conf", "--log-level", "warning"]
    descriptor = listener.fileno()
    return [
        _Service(
            name="site",
            command=[sys.executable, *gunicorn, "--bind", f"fd://{descriptor}", "jobsite.wsgi"],
            descriptors=(descriptor,),
        ),
        _Service(name="worker", command=[sys.executable, str(settings.BASE_DIR / "manage.py"), "jobworker"]),
    ]


def _environment(project_key: str) -> dict[str, str]:
    """Return the environment for plain HTTP on this machine; the secret key is for this run of the demo."""
    return {
        **os.environ,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "INSECURE_HTTP": "1",
        "DEMO_PROJECT_KEY": project_key,
        "PYTHONUNBUFFERED": "1",
    }


def _await_answer(listener: socket.socket, services: list[_Service], stopping: threading.Event) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        _check(services, None)
        if _answers(listener.getsockname()[1]) or stopping.wait(POLL_SECONDS):
            return
    raise ServiceEnded(f"the site did not answer within {START_SECONDS} s")


def _answers(port: int) -> bool:
    """Whether the landing page is served; the socket listens from the start, so only a response counts."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _check(services: list[_Service], environment: dict[str, str] | None) -> None:
    for service in services:
        status: Any = service.process.poll() if service.process else None
        if status == RESTART and environment is not None:
            service.start(environment)
        elif status is not None:
            raise ServiceEnded(f"the {service.name} ended by itself with status {status}")


def _end(services: list[_Service]) -> None:
    """Terminate all, wait for them together, and kill those that do not end."""
    running = [service.process for service in services if service.process]
    for process in running:
        process.terminate()
    until = time.monotonic() + END_SECONDS
    for process in running:
        try:
            process.wait(timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            # The whole session, with the server's children.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
