"""A run on hosts whose clocks are wrong: a worker has a job, then dies; a client and another worker come.

Only the database's clock may decide what they do, and appear in what they write.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from jobs.models import Job, JobEvent
from jobs.models import Worker as WorkerRow
from tests.support.concurrency import TimedOut, until
from tests.support.processes import Process
from tests.system.chaos.bug_scenarios import PATIENCE_SECONDS, Scenario
from tests.system.chaos.checker import CLOCK_STEP
from tests.system.chaos.cluster import Worker, now, running_cluster
from tests.system.chaos.fake_clock import HostClock, remove_shared_memory
from tests.system.chaos.models import Effect
from tests.system.chaos.worker_faults import summary

# No pause of a busy computer ends such a lease; the job is kept for several of them.
LEASE_SECONDS: Final = 2
LEASES: Final = 3
# As 75 s are to a beat of 10, a lease of 45 and a sweep of 15 s: all three, a second between two checks, and 4 s.
RESCUE_SECONDS: Final = 0.2 + LEASE_SECONDS + 0.3 + 1 + 4
SOON_SECONDS: Final = 10
DAY: Final = timedelta(days=1)
INSTANTS: Final[dict[Any, tuple[str, ...]]] = {
    Job: ("created_at", "updated_at", "started_at", "begun_at", "finished_at", "progress_at"),
    JobEvent: ("at",),
    Effect: ("at",),
    WorkerRow: ("started_at", "beat_at"),
}


def run(directory: Path, *, clock: str, bug: str) -> dict[str, Any]:
    """Play the scenario under the clock called ``clock``; return the findings and what the other worker's log shows."""
    with running_cluster(directory, bug=bug, threads=1) as cluster:
        host = HostClock(directory / "clock", clock)
        begun = now()
        try:
            other = play(Scenario(cluster), host)
            wrong = find_misdated(begun)
            cluster.stop(other)
        finally:
            cluster.close()
            for lifetime in cluster.lifetimes:
                remove_shared_memory(lifetime.pid)
        verdict = cluster.check()
    in_time = len(verdict.rescue) == 1 and verdict.rescue[0] <= RESCUE_SECONDS
    return {
        **summary(verdict),
        "misdated": wrong,
        "believed": days_off(other),
        "jumps": host.jumps,
        "rescued_in_time": in_time,
        "is_clean": verdict.is_clean and not verdict.counts["taken"] and not wrong and in_time,
    }


def play(scenario: Scenario, host: HostClock) -> Worker:
    """Let a worker keep a job for several leases beside one with a wrong clock, then kill it; return the other one."""
    cluster, lease = scenario.cluster, {"CHAOS_LEASE_SECONDS": str(LEASE_SECONDS)}
    jumps = len(host.offsets) > 1
    cluster.inject("action.keys_read", "wait")
    # Its only thread waits, so what else is due is left to the other worker.
    keeper = cluster.start_worker(**lease, **(host.environment if jumps else {}))
    kept = scenario.create("consume_verified", items=8)
    scenario.await_hit("action.keys_read")
    cluster.start_server(**host.environment)
    scenario.await_end(cluster.start_client(target=0, seed="once"))
    scenario.create("consume_verified", items=4)
    scenario.create("consume_verified", items=4, start_at=now() + timedelta(hours=1))
    other = cluster.start_worker(**lease, **host.environment)
    until(lambda: other.is_ready, seconds=PATIENCE_SECONDS, what="the worker with a wrong clock to be up")
    due = Job.objects.active().exclude(pk=kept.pk).filter(start_at__lte=now())
    rescued = JobEvent.objects.filter(job=kept, what="rescued")
    with host.ticking():
        if not happens_soon(lambda: not due.exists()):
            return other
        happens_soon(rescued.exists, seconds=LEASES * LEASE_SECONDS)
        cluster.kill(keeper)
        happens_soon(lambda: not Job.objects.active().filter(pk=kept.pk).exists())
    return other


def happens_soon(condition: Callable[[], bool], *, seconds: float = SOON_SECONDS) -> bool:
    """Wait for the condition, and return whether it came true; what did not happen, the checker finds in the rows."""
    try:
        return bool(until(condition, seconds=seconds, what="what the checker looks for"))
    except TimedOut:
        return False


def find_misdated(begun: datetime) -> dict[str, str]:
    """Return, by column, an instant that was written after ``begun`` and does not lie between it and now."""
    written = [
        (f"{model.__name__}.{column}", row["pk"], row[column])
        for model, columns in INSTANTS.items()
        for row in model.objects.values("pk", *columns)
        for column in columns
    ]
    for pk, receipt in Job.objects.exclude(receipt={}).values_list("pk", "receipt"):
        if "verified_at" in receipt:
            written.append(("verified_at", pk, datetime.fromisoformat(receipt["verified_at"])))
    ended = now()  # after all was read: the worker that lives goes on writing
    return {
        name: f"{at - begun} after the beginning, in row {pk}"
        for name, pk, at in written
        if at is not None and not begun - CLOCK_STEP <= at <= ended
    }


def days_off(worker: Process) -> tuple[int, int]:
    """Return by how many days the first and the last line of its log are misdated."""
    lines = worker.log.splitlines()
    first, last = (datetime.fromisoformat(line.split("Z ")[0]).replace(tzinfo=UTC) for line in (lines[0], lines[-1]))
    true = datetime.now(UTC)
    return round((first - true) / DAY), round((last - true) / DAY)
