"""A run in which connections freeze, are cut within a message, or are slow, by proxies before the database.

Workers have one, the API's server another. Callers insert items and count effects around them, and so does the checker.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from jobs.models import JobEvent
from tests.support.concurrency import TimedOut, until
from tests.support.freezing_proxy import FreezingProxy, freezing_proxy
from tests.system.chaos.client import LATE
from tests.system.chaos.cluster import Cluster, Worker, now, running_cluster
from tests.system.chaos.evidence import Fault
from tests.system.chaos.faulty_runs import shuffled, with_problems, without_uncounted
from tests.system.chaos.worker_faults import await_load, conclude, keep_load, report_progress

LEASE_SECONDS: Final = 2
# What an action itself reads outside of chunks may take as long as this.
DEADLINE_SECONDS: Final = 4
# How long a fault lasts: shorter than a lease, or longer than one and the second check of a rescue.
SHORT_SECONDS: Final = (0.1, 1.0)
LONG_SECONDS: Final = (3.0, 5.0)
LONG_SHARE: Final = 0.3
API_SHARE: Final = 0.3
# After the end of a fault, or beside frozen connections while new ones work.
RETURN_SECONDS: Final = 15
# The promise is 10 s; a busy computer may need a moment to read the answer.
LATE_SECONDS: Final = 11
DELAY_SECONDS: Final = (0.02, 0.2)


class ProxiedCluster(Cluster):
    """Its workers and its API's server have a proxy each before the database."""

    def __init__(self, directory: Path, *, proxies: dict[str, FreezingProxy], **options: Any) -> None:
        super().__init__(directory, **options)
        self.proxies = proxies

    def start_worker(self, **environment: str) -> Worker:
        times = {"CHAOS_LEASE_SECONDS": str(LEASE_SECONDS), "CHAOS_DEADLINE_SECONDS": str(DEADLINE_SECONDS)}
        return super().start_worker(**{"DATABASE_URL": self.proxies["workers"].url, **times, **environment})

    def start_server(self, **environment: str) -> None:
        super().start_server(**{"DATABASE_URL": self.proxies["API"].url, **environment})
        self._api[LATE] = str(LATE_SECONDS)


def frozen(proxy: FreezingProxy, seconds: float) -> None:
    """Pass nothing, over old and new connections; then all that was kept back."""
    proxy.freeze()
    time.sleep(seconds)
    proxy.thaw()


def lost(proxy: FreezingProxy, seconds: float) -> None:
    """Pass nothing, over old and new connections; then close them without what was kept back."""
    proxy.freeze()
    time.sleep(seconds)
    proxy.drop_frozen()


def mute(proxy: FreezingProxy, seconds: float) -> None:
    """Cut all connections, and accept new ones without a word."""
    proxy.mute()
    proxy.cut("query")
    time.sleep(seconds)
    proxy.drop_frozen()


def cut_query(proxy: FreezingProxy, seconds: float) -> None:
    proxy.cut("query")


def cut_answer(proxy: FreezingProxy, seconds: float) -> None:
    proxy.cut("answer")


def slow(proxy: FreezingProxy, seconds: float) -> None:
    proxy.delay(DELAY_SECONDS[0] + (DELAY_SECONDS[1] - DELAY_SECONDS[0]) * min(1.0, seconds))
    time.sleep(1)
    proxy.delay(0)


def stale(proxy: FreezingProxy, seconds: float) -> None:
    """Pass nothing over the connections that are open, for as long as anybody has them; new ones work."""
    proxy.freeze(new=False)


KINDS: Final[dict[str, Callable[[FreezingProxy, float], None]]] = {
    "frozen": frozen,
    "lost": lost,
    "mute": mute,
    "cut in a query": cut_query,
    "cut in an answer": cut_answer,
    "slow": slow,
    "stale": stale,
}


def run(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Make ``count`` faults at one of the two proxies; after each, every worker must claim jobs again."""
    problems: list[str] = []
    with two_proxies() as proxies, running_cluster(directory, seed=seed, of=ProxiedCluster, proxies=proxies) as cluster:
        for number, kind in enumerate(shuffled(cluster, tuple(KINDS), count)):
            await_load(cluster)
            where = "API" if cluster.random.random() < API_SHARE else "workers"
            problems += make_fault(cluster, kind, where)
            cluster.record_final_rows()
            report_progress("faults of connections", number + 1, count)
        for proxy in proxies.values():
            proxy.drop_frozen()
        result = without_uncounted(conclude(cluster, seed))
        ended = [life.exit_status for life in cluster.lifetimes if life.stopped is None]
        problems += [f"a worker ended by itself: exit status {status}" for status in ended]
    return with_problems(result, problems)


@contextmanager
def two_proxies() -> Iterator[dict[str, FreezingProxy]]:
    with ExitStack() as stack:
        url = os.environ["DATABASE_URL"]
        yield {where: stack.enter_context(freezing_proxy(url)) for where in ("workers", "API")}


def make_fault(cluster: Any, kind: str, where: str) -> list[str]:
    """Let one fault happen; return what did not go on by itself after it."""
    proxy = cluster.proxies[where]
    length = LONG_SECONDS if cluster.random.random() < LONG_SHARE else SHORT_SECONDS
    workers = [worker for worker in cluster.workers if worker.is_ready]
    at = now()
    KINDS[kind](proxy, cluster.random.uniform(*length))
    back = now()
    problems = []
    if where == "workers":
        problems = await_claims(cluster, workers, since=back, what=f"after {kind}")
    elif kind == "stale":
        time.sleep(LATE_SECONDS + 1)  # callers record an answer that is late
    # Frozen connections hold nothing up by now; the server has as many as it allows otherwise.
    proxy.drop_frozen()
    cluster.faults.append(Fault(at=at, kind=kind, until=now()))
    return problems


def await_claims(cluster: Cluster, workers: list[Worker], *, since: Any, what: str) -> list[str]:
    claims = JobEvent.objects.filter(what="claimed", at__gte=since)

    def have_claimed() -> bool:
        keep_load(cluster)
        time.sleep(0.02)
        pids = {int(actor.split(":")[2]) for actor in claims.values_list("actor", flat=True)}
        return pids >= {worker.pid for worker in workers if worker.is_alive}

    try:
        until(have_claimed, seconds=RETURN_SECONDS, what="every worker to claim again")
    except TimedOut as error:
        return [f"{what}: {error}"]
    return []
