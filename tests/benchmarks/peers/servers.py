"""Starts one granian for each peer and for the reference host; all have ended after the block."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import quote

import psycopg

from tests.benchmarks.peers.wrk import Ids, Server, Tenant
from tests.benchmarks.processes import END_SECONDS, SETTINGS, MeasureFailed
from tests.support.http_server import free_port
from tests.support.processes import Process
from tests.system.scale.usage import Watched

START_SECONDS: Final = 60
THREADS: Final = 4
HERE: Final = "tests.benchmarks.peers"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What granian serves, and the variables that it needs."""

    application: str
    interface: str = "wsgi"
    variables: Mapping[str, str] = field(default_factory=dict)
    is_ours: bool = False
    # Whether Django has psycopg prepare its statements, as the bare peer does.
    prepares: bool = False


def drf(urls: str, *, prepares: bool = False) -> Peer:
    variables = {"DJANGO_SETTINGS_MODULE": f"{HERE}.drf_settings", "PEER_URLS": f"{HERE}.{urls}"}
    return Peer(application=f"{HERE}.drf_wsgi:application", variables=variables, prepares=prepares)


def ours(*, prepares: bool = False) -> Peer:
    variables = {"DJANGO_SETTINGS_MODULE": SETTINGS}
    return Peer(application="jobsite.wsgi:application", variables=variables, is_ours=True, prepares=prepares)


BARE: Final = "bare WSGI, psycopg"
FAIR: Final = "lean DRF, limits, events, ids, locks"
FAIR_PREPARED: Final = "the same, statements prepared"
OURS: Final = "jobs, in its reference host"
OURS_PREPARED: Final = "jobs, statements prepared"
# In the query of a database's URL.
PREPARE: Final = "server_side_binding=true&prepare_threshold=5"
PEERS: Final = {
    BARE: Peer(application=f"{HERE}.bare:application"),
    "lean DRF": drf("drf_lean"),
    FAIR: drf("drf_fair"),
    FAIR_PREPARED: drf("drf_fair", prepares=True),
    "FastAPI": Peer(application=f"{HERE}.fastapi_app:app", interface="asgi"),
    "tutorial DRF": drf("drf_tutorial"),
    OURS: ours(),
    OURS_PREPARED: ours(prepares=True),
}


@contextmanager
def serving(url: str, cache_url: str, tenant: Tenant) -> Iterator[dict[str, Server]]:
    """Serve all, by one process of four threads each; give them by name once they answer."""
    same = {"CACHE_URL": cache_url, "SECRET_KEY": secrets.token_urlsafe(64)}
    same |= {"ALLOWED_HOSTS": "127.0.0.1", "INSECURE_HTTP": "1", "LOG_LEVEL": "WARNING"}
    plain, in_the_app = (Ids(tenant.first_id, tenant.last_id) for _ in range(2))  # those who share tables take turns
    with TemporaryDirectory(prefix="jobs-benchmarks-") as directory, ExitStack() as stack:
        watching = stack.enter_context(psycopg.connect(url, autocommit=True))
        processes, servers = {}, {}
        plain_tables = f"options={quote('-c search_path=peers')}"
        for number, (name, peer) in enumerate(PEERS.items()):
            options = [*([] if peer.is_ours else [plain_tables]), *([PREPARE] if peer.prepares else [])]
            database = f"{url}?{'&'.join(options)}"
            process = Process(
                *command_of(peer, port := free_port()),
                log_path=Path(directory, f"{number}.log"),
                environment={**same, **peer.variables, "DATABASE_URL": database, "PGAPPNAME": f"peer-{number}"},
                start_new_session=True,
            )
            stack.callback(stop, process)
            ids = in_the_app if peer.is_ours else plain
            cpu = partial(cpu_of, Watched(watching, f"peer-{number}"), process)
            processes[name], servers[name] = process, Server(port=port, cpu=cpu, tenant=tenant, ids=ids)
        try:
            for name, server in servers.items():
                await_answer(name, server, processes[name])
            yield servers
        finally:
            for process in processes.values():
                process.send(signal.SIGTERM)  # to all, before the first is waited for


def command_of(peer: Peer, port: int) -> list[str]:
    options = ["--interface", peer.interface, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    if peer.interface == "wsgi":
        options += ["--blocking-threads", str(THREADS)]
    return ["-m", "granian", *options, "--http", "1", "--no-ws", "--log-level", "warning", peer.application]


def cpu_of(watched: Watched, process: Process) -> float:
    """Return the processor time of a server, of its children, and of its connections to the database."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return watched.cpu([process.pid, *map(int, children)])


def await_answer(name: str, server: Server, process: Process) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.is_alive:
        with suppress(OSError):
            server.ask("GET", f"/{server.tenant.first_id}")
            return
        time.sleep(0.1)
    raise MeasureFailed(f"{name} did not start:\n{process.log}")


def stop(process: Process) -> None:
    process.send(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what is left of it and of its children
