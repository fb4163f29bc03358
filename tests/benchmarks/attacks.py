"""Measures what one hostile key does to the others: ``make bench-attacks``.

The site is a real gunicorn with PostgreSQL behind nginx as production.md configures it; nginx must be installed.

A victim asks for ``GET /public/me`` twenty times a second while the key of another organization
sends what costs most, from many connections, up to its limits. Compared is the victim's p95 with
that of the same server just before, when it was quiet. Only the ratios mean something.

The victim has a process of its own, and the attack the lowest priority, as both have computers of their own in life.
"""

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg

from tests.benchmarks.program import Table, above, run_on_skewed_jobs

AIM: Final = 3.0
SECONDS: Final = 15.0
CONNECTIONS: Final = 19
# As the reference host has by default, in one process.
THREADS: Final = 8
VICTIM_PAUSE: Final = 0.05
# A key at its limit waits, as refused requests are the proxy's to stop.
LIMITED_PAUSE: Final = 1.0
SETTINGS: Final = "tests.benchmarks.attack_settings"
WARM_SECONDS: Final = 2.0
LOWEST_PRIORITY: Final = 19
IN_A_YEAR_MS: Final = 31_536_000_000


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Client:
    """A caller of the server at ``port``; each thread has a connection of its own."""

    port: int
    secret: str

    def connection(self) -> "closing[http.client.HTTPConnection]":
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60))

    def ask(self, connection: http.client.HTTPConnection, request: Request) -> http.client.HTTPResponse:
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json", **request.headers}
        try:
            connection.request(request.method, request.path, body=request.body, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):  # the server may close a connection that has idled
            connection.close()
            raise
        return answer


def p95_of_victim(client: Client, seconds: float) -> float:
    """Return the 95th percentile of the victim's requests, in milliseconds."""
    taken = []
    end = time.monotonic() + seconds
    with client.connection() as connection:
        while time.monotonic() < end:
            connection.close()  # a request of its own, as a new client sends it
            begun = time.perf_counter()
            client.ask(connection, Request(method="GET", path="/public/me"))
            taken.append((time.perf_counter() - begun) * 1000)
            time.sleep(VICTIM_PAUSE)
    return quantiles(taken, n=20)[-1] if len(taken) > 1 else taken[0]


class Attack:
    """Sends requests from many connections while the block runs; ``answers`` counts them by status."""

    def __init__(self, client: Client, request: Callable[[], Request]) -> None:
        self._client, self._request = client, request
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(CONNECTIONS)]
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> "Attack":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        with self._client.connection() as connection:
            while not self._ended.is_set():
                try:
                    status = self._client.ask(connection, self._request()).status
                except (OSError, http.client.HTTPException):
                    self.answers["broken"] += 1
                    continue
                self.answers[str(status)] += 1
                if status == 429:
                    self._ended.wait(LIMITED_PAUSE)


Around = Callable[[], AbstractContextManager[Any]]


def attacks(url: str, base: str, job_id: int, rows: int) -> dict[str, tuple[Callable[[], Request], Around]]:
    """Return for each attack what makes its requests, and what goes on meanwhile."""
    start_at = int(time.time() * 1000) + IN_A_YEAR_MS
    number = count()

    def batch() -> Request:
        same = {"action": "delete_user_data", "startAt": start_at}
        jobs = [{**same, "referenceId": f"attack-{next(number)}"} for _ in range(1000)]
        return Request(method="POST", path=f"{base}/batch", body=json.dumps({"jobs": jobs}).encode())

    def always(method: str, path: str, **headers: str) -> Callable[[], Request]:
        return lambda: Request(method=method, path=f"{base}{path}", headers=headers)

    far = f"?createdFrom=1&status=completed&sort=startAt&page={rows // 100}"
    return {
        "zeros in `page`": (always("GET", f"?page={'0' * 3950}x"), nullcontext),
        "filters and a far page": (always("GET", far), nullcontext),
        "304 polls": (always("GET", f"/{job_id}", **{"If-None-Match": "*"}), nullcontext),
        "batches of 1,000": (batch, nullcontext),
        "cancels that wait": (always("DELETE", f"/{job_id}"), lambda: locked(url, job_id)),
    }


def run(url: str, project: Any, rows: int) -> None:
    """Measure each attack, with a key of its own."""
    from jobs.models import Job, Organization
    from jobs.services.tenants.api_keys import create_api_key
    from tests.support.http_server import free_port, running_server
    from tests.support.proxies import nginx, running

    victims = Organization.objects.create(name="Victims")
    job_id = Job.objects.filter(status="scheduled").order_by("pk").values_list("pk", flat=True)[0]
    table = Table("attack", ("quiet ms", 12), ("attacked ms", 14), ("ratio", 8), width=26, last="answers")
    # What is refused would fill the log.
    variables = {"DJANGO_SETTINGS_MODULE": SETTINGS, "WEB_CONCURRENCY": "1", "LOG_LEVEL": "CRITICAL"}
    with (
        TemporaryDirectory(prefix="jobs-benchmarks-") as directory,
        running_server(url=url, threads=THREADS, **variables) as site,
        running(nginx(Path(directory), site, port := free_port()), port),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process,
    ):
        victim = Client(port=port, secret=create_api_key(organization=victims).secret)

        def p95_within(seconds: float) -> float:
            return process.submit(p95_of_victim, victim, seconds).result(timeout=seconds + 60)

        p95_within(WARM_SECONDS)
        os.nice(LOWEST_PRIORITY)
        for name, (request, around) in attacks(url, f"/public/{project.key}/jobs", job_id, rows).items():
            hostile = Client(port=port, secret=create_api_key(organization=project.organization).secret)
            quiet = p95_within(SECONDS / 3)
            with around(), Attack(hostile, request) as attack:
                attacked = p95_within(SECONDS)
            seen = ", ".join(f"{number} × {status}" for status, number in sorted(attack.answers.items()))
            ratio = attacked / quiet
            table.row(name, quiet, attacked, ratio, remark=f"{seen} {above(ratio, AIM)}".strip())


@contextmanager
def locked(url: str, job_id: int) -> Iterator[None]:
    """Hold a job's row, as a chunk of a running job does."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [job_id])
        yield


if __name__ == "__main__":
    sys.exit(run_on_skewed_jobs("tests.benchmarks.attacks", __doc__, "benchmarks_attacks", run, rows=160_000))
