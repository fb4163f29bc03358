"""Forty callers that send byte by byte stop gunicorn, and do not stop it behind the proxies of production.md."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from tests.support.http_server import free_port, running_server
from tests.support.proxies import caddy, haproxy, nginx, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(200)]

CALLERS = 40
DRIP_SECONDS = 0.5
WATCHED_SECONDS = 8
SOON_SECONDS = 2.0


def answers(port: int) -> bool:
    """Whether the site answers a probe soon."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=SOON_SECONDS)) as connection:
        try:
            connection.request("GET", "/livez", headers={"Host": "localhost"})
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


@contextmanager
def dripping(port: int) -> Iterator[None]:
    """Keep forty requests open whose bodies come byte by byte."""
    head = b"POST /public/x/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    ended = threading.Event()
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.create_connection(("127.0.0.1", port)))) for _ in range(CALLERS)]
        for each in sockets:
            each.sendall(head)

        def drip() -> None:
            while not ended.wait(DRIP_SECONDS):
                for each in sockets:
                    each.send(b" ")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        time.sleep(1)
        try:
            yield
        finally:
            ended.set()
            thread.join()


def share_answered(port: int) -> float:
    end = time.monotonic() + WATCHED_SECONDS
    seen = []
    while time.monotonic() < end:
        seen.append(answers(port))
        time.sleep(0.2)
    return sum(seen) / len(seen)


def test_without_a_proxy_slow_callers_stop_the_site() -> None:
    with running_server() as site, dripping(site):
        assert not answers(site)


@pytest.mark.parametrize("proxy", [nginx, haproxy, caddy])
def test_behind_a_proxy_of_the_page_slow_callers_stop_nothing(
    proxy: Callable[[Path, int, int], list[str]], tmp_path: Path
) -> None:
    if shutil.which(proxy.__name__) is None:
        pytest.skip(f"there is no {proxy.__name__} here")
    port = free_port()

    with running_server() as site, running(proxy(tmp_path, site, port), port), dripping(port):
        assert share_answered(port) == 1
