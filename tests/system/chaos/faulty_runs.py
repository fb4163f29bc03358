"""Runs whose faults are in the actions: they hold the GIL, lose their connection, leave residue, or fork."""

import os
import signal
import time
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

from django.db import connection

from jobs.models import Job
from tests.support.concurrency import TimedOut, until
from tests.system.chaos.bug_scenarios import Scenario
from tests.system.chaos.call_log import read_calls
from tests.system.chaos.cluster import Cluster, ShortenedCluster, now, running_cluster
from tests.system.chaos.evidence import Fault, claims_of
from tests.system.chaos.faulty_actions import FORKS, HANGS, LOOPS, LOOPS_ON_SQLITE, RESIDUES
from tests.system.chaos.worker_faults import await_load, conclude, keep_load, report_progress, summary

HANGS_AT_ONCE: Final = 2
# Three attempts, each with a lease, a rescue and the start of a process.
HANG_SECONDS: Final = 60
LOOP_SECONDS: Final = 300
RESIDUE_SECONDS: Final = 120
FORK_SECONDS: Final = 20
WORKERS: Final = 4
STOPS_BEFORE_THE_END: Final = 0.5


def gil(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Let ``count`` jobs hold the GIL in each of their attempts, beside others; each must end as failed."""
    problems: list[str] = []
    with running_cluster(directory, seed=seed, of=ShortenedCluster) as cluster:
        scenario = Scenario(cluster)
        kinds = shuffled(cluster, HANGS, count)
        for first in range(0, count, HANGS_AT_ONCE):
            await_load(cluster)
            jobs = [scenario.create(kind, items=0).pk for kind in kinds[first : first + HANGS_AT_ONCE]]
            try:
                until(lambda jobs=jobs: are_final(cluster, jobs), seconds=HANG_SECONDS, what=f"{jobs} to be failed")
            except TimedOut as error:
                problems.append(str(error))
                kill_workers_of(cluster, jobs)
            cluster.record_final_rows()
            report_progress("hanging jobs", min(first + HANGS_AT_ONCE, count), count)
        record_attempts(cluster, "hang_", "hang")
        result = conclude(cluster, seed)
    return with_problems(result, problems)


def loops(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Let ``count`` jobs lose their connection by their own doing in each attempt, beside others; each must end."""
    problems: list[str] = []
    with running_cluster(directory, seed=seed, of=ShortenedCluster) as cluster:
        scenario = Scenario(cluster)
        kinds = LOOPS if connection.vendor == "postgresql" else LOOPS_ON_SQLITE
        jobs = []
        for number, kind in enumerate(shuffled(cluster, kinds, count)):
            await_load(cluster)
            jobs.append(scenario.create(kind, items=0).pk)
            cluster.record_final_rows()
            report_progress("looping jobs", number + 1, count)
        try:
            until(lambda: are_final(cluster, jobs), seconds=LOOP_SECONDS, what="looping jobs to end")
        except TimedOut:
            rounds = Job.objects.active().filter(pk__in=jobs).values_list("action", "attempt")
            problems += [f"{action} was at attempt {attempt}" for action, attempt in rounds]
        record_attempts(cluster, "loop_", "lost attempt")
        result = conclude(cluster, seed)
    return with_problems(result, problems)


def residue(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Run ``count`` jobs that leave something on their session, each before one that searches it and one that works."""
    with running_cluster(directory, seed=seed, threads=1) as cluster:
        scenario = Scenario(cluster)
        for kind in shuffled(cluster, RESIDUES, count):
            scenario.create(kind, items=0)
            scenario.create("observe_session", items=0)
            scenario.create("consume_verified", items=1)
        cluster.start_worker()
        cluster.drain(seconds=RESIDUE_SECONDS)
        cluster.stop_workers()
        verdict = cluster.check()
    return {**summary(verdict), "faults": {"residue": count}, "seed": seed}


def forks(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Stop ``count`` workers whose actions have forked or left threads, a few at a time; each must end in 10 s."""
    with running_cluster(directory, seed=seed, of=ShortenedCluster) as cluster:
        scenario = Scenario(cluster)
        done = 0
        while done < count:
            workers = min(WORKERS, count - done)
            cluster.replace_ended(workers=workers, clients=1, target=4)
            cluster.await_workers()
            jobs = [scenario.create(kind, items=0).pk for kind in shuffled(cluster, FORKS, 2 * workers)]
            if cluster.random.random() < STOPS_BEFORE_THE_END:
                time.sleep(cluster.random.uniform(0, 1))
            else:
                wait_for_end(jobs)
            cluster.stop_together()
            end_children(cluster)
            cluster.record_final_rows()
            done += workers
            report_progress("stops after forks", done, count)
        result = conclude(cluster, seed)
        end_children(cluster)
    return {**result, "faults": {"fork, term": count}}


def shuffled(cluster: Cluster, kinds: tuple[str, ...], count: int) -> list[str]:
    """Return ``count`` of the kinds, each as often as the others, in an order that the seed decides."""
    chosen = list(islice(cycle(kinds), count))
    cluster.random.shuffle(chosen)
    return chosen


def are_final(cluster: Cluster, jobs: list[int]) -> bool:
    """Whether the jobs have ended; keeps workers and load alive meanwhile, as a supervisor does."""
    keep_load(cluster)
    time.sleep(0.05)
    return not Job.objects.active().filter(pk__in=jobs).exists()


def wait_for_end(jobs: list[int]) -> None:
    with suppress(TimedOut):  # what did not end in time is released by the stop, and runs again
        until(lambda: not Job.objects.active().filter(pk__in=jobs).exists(), seconds=FORK_SECONDS, what="forks")


def kill_workers_of(cluster: Cluster, jobs: list[int]) -> None:
    """End the workers that hang, which no watchdog did, until the jobs have failed and the run can go on."""
    end = time.monotonic() + HANG_SECONDS
    while not are_final(cluster, jobs) and time.monotonic() < end:
        for worker in list(cluster.workers):
            if any(job in jobs for job, _ in claims_of(worker.pids)):
                cluster.kill(worker)


def record_attempts(cluster: Cluster, prefix: str, kind: str) -> None:
    """Record a fault for each attempt that began of the actions with this prefix."""
    actions = dict(Job.objects.values_list("pk", "action"))
    for line in read_calls(cluster.attempts):
        if line["what"] == "attempt" and actions[line["job"]].startswith(prefix):
            claims = ((line["job"], line["attempt"]),)
            cluster.faults.append(Fault(at=now(), kind=kind, pid=line["pid"], claims=claims))


def end_children(cluster: Cluster) -> None:
    """Kill the processes that actions have left running."""
    for line in read_calls(cluster.attempts):
        if line["what"] == "child" and Path(f"/proc/{line['pid']}").exists():
            with suppress(ProcessLookupError):
                os.kill(line["pid"], signal.SIGKILL)


def without_uncounted(result: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a run in which jobs lose their sessions by no doing of theirs.

    Such a run also hits the process's own sessions, so that the process cannot know whether the database answers.
    """
    counts = {kind: count for kind, count in result["counts"].items() if kind != "uncounted"}
    return {**result, "counts": counts, "is_clean": not any(n for kind, n in counts.items() if kind != "taken")}


def with_problems(result: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the result with what did not go on in time, counted as stuck."""
    if not problems:
        return result
    counts = {**result["counts"], "stuck": result["counts"]["stuck"] + len(problems)}
    return {**result, "counts": counts, "is_clean": False, "problems": len(problems), "first_problems": problems[:10]}
