"""A TCP proxy before a PostgreSQL server. It passes bytes until a test freezes, cuts or delays them.

A frozen connection stays open and says nothing, as behind a pooler whose server vanished, a load
balancer, or hung storage. What is under way when it freezes is kept, and passed on at the thaw.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import unquote, urlsplit

PIECE: Final = 65_536


class Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.server: socket.socket | None = None
        self.passes = threading.Event()
        self.cut_next: str = ""  # "query" or "answer": of the next one only half is passed
        self.is_closed = False

    def close(self) -> None:
        """Close both ends, and end the threads that read from them or wait for a thaw."""
        self.is_closed = True
        for end in filter(None, (self.client, self.server)):
            with suppress(OSError):  # already closed by its other end
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.passes.set()


class FreezingProxy:
    """Listens at ``port`` for the server of the URL; ``url`` leads to the same database through the proxy."""

    def __init__(self, url: str) -> None:
        self._server = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = self._server._replace(netloc=self._netloc()).geturl()
        self._lock = threading.Lock()
        self._links: list[Link] = []
        self._is_frozen = False
        self._delay = 0.0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def freeze(self, *, new: bool = True) -> int:
        """Pass nothing more over the open connections; return how many. ``new``: accept new ones and say nothing."""
        with self._lock:
            self._is_frozen = new
            links = self._open_links()
            for link in links:
                link.passes.clear()
            return len(links)

    def mute(self) -> None:
        """Accept new connections and say nothing on them; those that are open go on."""
        self._is_frozen = True

    def thaw(self) -> None:
        """Pass what was kept back, and all that follows; also what a client sent that has closed its end meanwhile."""
        with self._lock:
            self._is_frozen = False
            for link in self._open_links():
                link.passes.set()

    def drop_frozen(self) -> int:
        """Close the frozen connections without passing what was kept back, and let new ones pass; return how many."""
        with self._lock:
            self._is_frozen = False
            links = [link for link in self._open_links() if not link.passes.is_set()]
            for link in links:
                link.close()
            return len(links)

    def cut(self, part: str) -> int:
        """Pass half of the next ``query`` or ``answer`` of each open connection, then close it; return how many."""
        with self._lock:
            links = self._open_links()
            for link in links:
                link.cut_next = part
            return len(links)

    def delay(self, seconds: float) -> None:
        """Pass each piece so much later; 0: at once."""
        self._delay = seconds

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake the thread that accepts
        self._listener.close()
        with self._lock:
            for link in self._open_links():
                link.close()

    def _netloc(self) -> str:
        login, has_login, _ = self._server.netloc.rpartition("@")
        return f"{login}{has_login}127.0.0.1:{self.port}"

    def _open_links(self) -> list[Link]:
        self._links = [link for link in self._links if not link.is_closed]
        return self._links

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed: the end
            while True:
                client, _ = self._listener.accept()
                link = Link(client)
                with self._lock:
                    if not self._is_frozen:
                        link.passes.set()
                    self._links.append(link)
                threading.Thread(target=self._serve, args=(link,), name="proxy", daemon=True).start()

    def _serve(self, link: Link) -> None:
        """Connect to the server when the link passes bytes, then pass queries; another thread passes answers."""
        link.passes.wait()
        with suppress(OSError):  # no server: the client's end is closed below
            link.server = self._connect()
            threading.Thread(target=self._pass_on, args=(link, "answer"), name="proxy", daemon=True).start()
            self._pass_on(link, "query")
        link.close()

    def _connect(self) -> socket.socket:
        host, port = unquote(self._server.hostname or "127.0.0.1"), self._server.port or 5432
        if not host.startswith("/"):
            return socket.create_connection((host, port), timeout=None)
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        end.connect(f"{host}/.s.PGSQL.{port}")
        return end

    def _pass_on(self, link: Link, part: str) -> None:
        source, sink = (link.client, link.server) if part == "query" else (link.server, link.client)
        assert source is not None, "the server is connected before anything is passed"
        assert sink is not None, "the same"
        with suppress(OSError):  # one end was closed; the other is closed below
            while piece := source.recv(PIECE):
                time.sleep(self._delay)
                link.passes.wait()
                if link.cut_next == part:
                    sink.sendall(piece[: max(1, len(piece) // 2)])
                    break
                sink.sendall(piece)
        link.passes.wait()  # that an end was closed is not passed on, either
        link.close()


@contextmanager
def freezing_proxy(url: str) -> Iterator[FreezingProxy]:
    """Yield a proxy before the database of ``url``; it ends with the block."""
    proxy = FreezingProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
