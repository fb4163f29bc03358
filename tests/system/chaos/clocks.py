"""The scene on hosts whose clocks are wrong: a worker holds a job, then dies; a caller and another worker come.

Only the database's clock may decide what they do, and be seen in what they write.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from jobs.models import Job, JobEvent
from jobs.models import Worker as WorkerRow
from tests.system.chaos.arena import Process, Stalled, Worker, now, until
from tests.system.chaos.checker import CLOCK_STEP, check
from tests.system.chaos.host_clock import HostClock, tidy
from tests.system.chaos.models import Effect
from tests.system.chaos.runs import arena_of, is_at_work, summary
from tests.system.chaos.scenarios import PATIENCE_SECONDS, Scene

# A lease such that no pause of a busy computer's ends it, and how many of them a job is held for.
LEASE_SECONDS: Final = 2
LEASES: Final = 3
# As 75 s are to a beat of 10, a lease of 45 and a sweep of 15 s: all three, a second between two looks, and 4 s.
RESCUE_SECONDS: Final = 0.2 + LEASE_SECONDS + 0.3 + 1 + 4
SOON_SECONDS: Final = 10
INSTANTS: Final = ("created_at", "updated_at", "started_at", "begun_at", "finished_at", "progress_at")


def run(directory: Path, *, clock: str, bug: str) -> dict[str, Any]:
    """Play the scene under the clock called ``clock``; tell what was found, and what the other worker believed."""
    with arena_of(directory, 1, bug=bug, threads=1) as arena:
        host = HostClock(directory / "clock", clock)
        begun = now()
        try:
            other = play(Scene(arena), host)
            wrong = misdated(begun)
            arena.terminate(other)
        finally:
            arena.close()
            for life in arena.lives:
                tidy(life.pid)
        verdict = check(arena.evidence())
    result = {**summary(verdict), "misdated": wrong, "believed": believed(other), "jumps": host.jumps}
    in_time = len(verdict.rescue) == 1 and verdict.rescue[0] <= RESCUE_SECONDS
    is_clean = verdict.is_clean and not verdict.counts["taken"] and not wrong and in_time
    return {**result, "rescued_in_time": in_time, "is_clean": is_clean}


def play(scene: Scene, host: HostClock) -> Worker:
    """Let a worker hold a job for several leases beside one with a wrong clock, then die; return that other one."""
    arena, lease = scene.arena, {"CHAOS_LEASE_SECONDS": str(LEASE_SECONDS)}
    jumps = len(host.offsets) > 1
    arena.order("action.keys_read", "hold")
    # Its only thread is held, so what else is due is the other worker's to run.
    holder = arena.start_worker(**lease, **(host.environment if jumps else {}))
    held = scene.create("consume_verified", items=8)
    scene.meet("action.keys_read")
    arena.start_server(**host.environment)
    caller = arena.start_client(target=0, seed="once")
    until(lambda: not caller.is_alive, seconds=PATIENCE_SECONDS, what="the caller with a wrong clock to be answered")
    scene.create("consume_verified", items=4)
    scene.create("consume_verified", items=4, start_at=now() + timedelta(hours=1))
    other = arena.start_worker(**lease, **host.environment)
    until(lambda: is_at_work(other), seconds=PATIENCE_SECONDS, what="the worker with a wrong clock to be up")
    due = Job.objects.active().exclude(pk=held.pk).filter(start_at__lte=now())
    taken = JobEvent.objects.filter(job=held, what="rescued")
    with host.ticking():
        if not soon(lambda: not due.exists()):
            return other
        soon(taken.exists, seconds=LEASES * LEASE_SECONDS)
        arena.kill(holder)
        soon(lambda: not Job.objects.active().filter(pk=held.pk).exists())
    return other


def soon(condition: Callable[[], bool], *, seconds: float = SOON_SECONDS) -> bool:
    """Give it time to happen, and return whether it did; if not, the checker will find that in the rows."""
    with suppress(Stalled):
        return bool(until(condition, seconds=seconds, what="what the checker will look for"))
    return False


def misdated(begun: datetime) -> dict[str, str]:
    """Return, by column, an instant that was written between the beginning and now and says otherwise."""
    found: dict[str, str] = {}

    def see(rows: Any, *columns: str) -> None:
        found_rows = list(rows.values("pk", *columns))
        ended = now()  # not before they were read: the worker that lives goes on beating
        for row in found_rows:
            for column in columns:
                at = row[column]
                if at is not None and not begun - CLOCK_STEP <= at <= ended:
                    found[f"{rows.model.__name__}.{column}"] = f"{at - begun} after the beginning, in row {row['pk']}"

    see(Job.objects.all(), *INSTANTS)
    see(JobEvent.objects.all(), "at")
    see(Effect.objects.all(), "at")
    see(WorkerRow.objects.all(), "started_at", "beat_at")
    receipts = list(Job.objects.exclude(receipt={}).values_list("pk", "receipt"))
    ended = now()
    for pk, receipt in receipts:
        if "verified_at" in receipt:
            at = datetime.fromisoformat(receipt["verified_at"])
            if not begun - CLOCK_STEP <= at <= ended:
                found["verified_at"] = f"{at - begun} after the beginning, in the receipt of job {pk}"
    return found


def believed(worker: Process) -> tuple[int, int]:
    """Return by how many days its log is off where it begins and where it ends."""
    lines = worker.log.read_text().splitlines()
    first, last = (datetime.fromisoformat(line.split("Z ")[0]).replace(tzinfo=UTC) for line in (lines[0], lines[-1]))
    true = datetime.now(UTC)
    return round((first - true) / timedelta(days=1)), round((last - true) / timedelta(days=1))
