"""Runs that fault workers under load: random kills, every fault at every named place, freezes longer than the lease."""

import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from django.db import connection

from jobs.models import Job
from tests.support.concurrency import TimedOut, until
from tests.system.chaos.checker import Verdict, percentiles
from tests.system.chaos.cluster import READY_SECONDS, Cluster, now, running_cluster
from tests.system.chaos.evidence import Claims, claims_of
from tests.system.chaos.faults import PLACES

WORKERS: Final = 4
CLIENTS: Final = 2
TARGET: Final = 16
PACE_SECONDS: Final = 0.55
DRAIN_SECONDS: Final = 90
PLACE_SECONDS: Final = 20
TAKE_OVER_SECONDS: Final = 10
EXIT_SECONDS: Final = 10
SERVER_KILL_EVERY: Final = 4


def kills(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Kill a random worker again and again, now and then a client or a server process, while jobs keep coming."""
    with running_cluster(directory, seed=seed) as cluster:
        done = 0
        while done < count:
            await_load(cluster)
            ready = [worker for worker in cluster.workers if worker.is_ready]
            if ready and cluster.random.random() < 0.95:
                cluster.kill(cluster.random.choice(ready))
                done += 1
                if done % SERVER_KILL_EVERY == 0:
                    cluster.kill_server_process()
            elif cluster.clients:
                cluster.kill_client(cluster.random.choice(cluster.clients))
            cluster.record_final_rows()
            report_progress("kills", done, count)
            pause_between_kills(cluster)
        return conclude(cluster, seed)


def matrix(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Inject every fault at every place, ``count`` times, while jobs keep coming."""
    fourth = "cut" if connection.vendor == "postgresql" else "disk"
    cases = [(place, fault) for place in PLACES for fault in ("kill", "term", fourth, "exception")] * count
    with running_cluster(directory, seed=seed) as cluster:
        cluster.random.shuffle(cases)
        missed = []
        for number, (place, fault) in enumerate(cases):
            await_load(cluster)
            cluster.inject(place, fault)
            try:
                until(lambda place=place: is_hit(cluster, place), seconds=PLACE_SECONDS, what=place)
            except TimedOut:
                cluster.withdraw(place)
                missed.append(f"{place} {fault}")
            cluster.record_final_rows()
            report_progress("faults", number + 1, len(cases))
        return {**conclude(cluster, seed), "cases": len(cases), "missed": missed}


def is_hit(cluster: Cluster, place: str) -> bool:
    """Whether a process met the fault; keeps the others alive, and gives the rescuer something to find."""
    if cluster.find_hit(place) is not None:
        return True
    keep_load(cluster)
    if place == "rescue.half_way" and not Job.objects.expired().exists() and cluster.random.random() < 0.02:
        busy = [worker for worker in cluster.workers if claims_of(worker.pids)]
        if busy:
            cluster.kill(cluster.random.choice(busy))
    return False


def freezes(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Stop a busy worker for longer than its lease, let others take its jobs, then let it go on."""
    places = ["claimed", "action.keys_read", "chunk.committed", "finish.before", "finish.after"]
    if connection.vendor == "postgresql":
        places += ["chunk.inside", "finish.verified", "beat"]  # on SQLite a worker has the only write lock there
    waited: list[str] = []
    with running_cluster(directory, seed=seed) as cluster:
        for number in range(count):
            await_load(cluster)
            place = places[number % len(places)]
            cluster.inject(place, "freeze")
            pid = until(lambda place=place: cluster.find_hit(place), seconds=PLACE_SECONDS, what=place)
            since, claims = now(), cluster.faults[-1].claims
            try:
                until(
                    lambda claims=claims: are_taken_over(claims), seconds=TAKE_OVER_SECONDS, what="others to take over"
                )
            except TimedOut:
                waited.append(place)
            cluster.wake(pid, since=since)
            cluster.record_final_rows()
            report_progress("freezes", number + 1, count)
        return {**conclude(cluster, seed), "not_taken_over_while_frozen_at": waited}


def keep_load(cluster: Cluster) -> bool:
    """Replace workers and clients that have ended; return whether all workers but one are ready."""
    cluster.replace_ended(workers=WORKERS, clients=CLIENTS, target=TARGET)
    return sum(worker.is_ready for worker in cluster.workers) >= WORKERS - 1


def await_load(cluster: Cluster) -> None:
    """Wait until workers are ready. A rescue takes two looks of one process: workers that all die young rescue none."""
    until(lambda: keep_load(cluster), seconds=READY_SECONDS, what="workers to be up")


def are_taken_over(claims: Claims) -> bool:
    return not any(Job.objects.filter(pk=pk, attempt=attempt, status="running").exists() for pk, attempt in claims)


def conclude(cluster: Cluster, seed: int) -> dict[str, Any]:
    """Let the jobs that are left run, stop the workers as a deployment does, and check."""
    cluster.replace_ended(workers=WORKERS, clients=0, target=0)
    drained = cluster.drain(seconds=DRAIN_SECONDS)
    faults = dict(Counter(fault.kind for fault in cluster.faults))  # without the SIGTERM that ends the run
    exits = [(lifetime.exit_status, lifetime.exit_seconds) for lifetime in cluster.stop_workers()]
    return {
        **summary(cluster.check()),
        "faults": faults,
        "seed": seed,
        "drained_seconds": drained,
        "late_exits": [one for one in exits if one[0] != 0 or (one[1] or 0) > EXIT_SECONDS],
    }


def summary(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as JSON can hold it, with the first findings of each kind."""
    return {
        "counts": verdict.counts,
        "is_clean": verdict.is_clean,
        **{name: getattr(verdict, name) for name in ("jobs", "unknown", "cancels", "effects", "statuses")},
        "first": {kind: found[:10] for kind, found in verdict.found.items() if found},
        "recoveries": len(verdict.recovery),
        "recovery": percentiles(verdict.recovery),
        "rescue": percentiles(verdict.rescue),
    }


def pause_between_kills(cluster: Cluster) -> None:
    """Let the next kill meet something else."""
    time.sleep(cluster.random.uniform(0.5, 1.5) * PACE_SECONDS)


def report_progress(what: str, done: int, of: int) -> None:
    if done % 25 == 0 or done == of:
        print(f"{connection.vendor}: {done} of {of} {what}", flush=True)
    time.sleep(0.01)
