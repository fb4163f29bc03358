"""For each planted bug, the course of events in which it shows, without luck; the same course without it is clean."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from django.db import connection

from jobs import cancel_job, get_project_model, schedule_job
from jobs.models import Job
from tests.system.chaos.arena import Arena, Process, Worker, now, until
from tests.system.chaos.checker import check
from tests.system.chaos.models import Effect, Item
from tests.system.chaos.records import Record
from tests.system.chaos.runs import arena_of, is_at_work, summary

PATIENCE_SECONDS: Final = 60  # a worker takes a second to start, on a busy computer many
DRAIN_SECONDS: Final = 10


class Scene:
    """An arena, and a caller whose calls are recorded as a client's are."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.project = get_project_model()._default_manager.first()
        self._record = Record(arena.records / "scene")

    def create(self, action: str, items: int, **options: Any) -> Job:
        """Create a job that is to remove so many items."""
        intent = uuid4().hex
        Item.objects.bulk_create([Item(owner=intent) for _ in range(items)])
        self._record.write("create", intent=intent, items=items)
        job = schedule_job(action, project=self.project, reference_id=intent, description=intent, **options)
        self._record.write("created", intent=intent, job=job.pk)
        return job

    def cancel(self, job: Job) -> None:
        """Cancel, and note what was done by then."""
        cancel_job(job.pk, project=self.project)
        self._record.write("cancelled", job=job.pk)
        effects = Effect.objects.filter(job_id=job.pk).count()
        left = Item.objects.filter(owner=job.reference_id).count()
        self._record.write("seen_after_cancel", job=job.pk, effects=effects, left=left)

    def meet(self, place: str) -> int:
        """Wait until a process met the fault that was ordered at ``place``."""
        return int(until(lambda: self.arena.taken(place), seconds=PATIENCE_SECONDS, what=place))


def no_fence(scene: Scene) -> None:
    """A worker is frozen between reading keys and its chunk; it wakes when another has taken over and read the same."""
    scene.arena.order("action.keys_read", "freeze")
    first = scene.arena.start_worker()
    job = scene.create("consume_verified", items=12)
    scene.meet("action.keys_read")
    since = now()
    # The other waits for the first one's chunk to have been taken or refused: neither has to be quick.
    scene.arena.order("action.keys_read", "hold")
    scene.arena.start_worker()
    scene.meet("action.keys_read")
    scene.arena.wake(first.pid, since=since)
    until(lambda: has_answer(first, job), seconds=PATIENCE_SECONDS, what="the first worker's chunk to be answered")
    scene.arena.go_on()


def has_answer(first: Worker, job: Job) -> bool:
    """Whether a chunk of the first attempt was committed, or refused."""
    is_refused = b"is no longer this worker's" in first.log.read_bytes()
    return is_refused or Effect.objects.filter(job_id=job.pk, attempt=1).exists()


def blind_save(scene: Scene) -> None:
    """A cancel is acknowledged just before a worker finishes."""
    scene.arena.order("finish.before", "hold")
    scene.arena.start_worker()
    job = scene.create("consume_plain", items=4)
    scene.meet("finish.before")
    scene.cancel(job)
    scene.arena.go_on()


def no_sweep(scene: Scene) -> None:
    """A worker dies in a chunk; another one is there."""
    scene.arena.order("chunk.inside", "kill")
    scene.arena.start_worker()
    scene.create("consume_verified", items=8)
    scene.meet("chunk.inside")
    scene.arena.start_worker()


def rescue_by_time(scene: Scene) -> None:
    """A job takes longer than some; its lease is such that no pause of a busy computer's ends it."""
    scene.arena.start_worker(CHAOS_LEASE_SECONDS="10")
    scene.create("consume_verified", items=200)


def check_then_insert(scene: Scene) -> None:
    """Two callers ask for the same at the same time; nobody runs it meanwhile."""
    callers = [scene.arena.start_client(target=0, seed="once") for _ in range(2)]
    until(lambda: not any(map(is_alive, callers)), seconds=PATIENCE_SECONDS, what="both callers to have their answers")
    scene.arena.start_worker()


def host_clock(scene: Scene) -> None:
    """One job is due now, another in an hour."""
    early = now() + timedelta(hours=1)
    scene.create("consume_plain", items=4, start_at=early)
    due = scene.create("consume_plain", items=4)
    scene.arena.start_worker()
    ended = Job.objects.filter(pk=due.pk, status="completed")
    until(ended.exists, seconds=PATIENCE_SECONDS, what="the job that is due to be done")


def swallowed_finish(scene: Scene) -> None:
    """The database goes away while a finish is written, and comes back."""
    scene.arena.order("finish.verified", "cut" if connection.vendor == "postgresql" else "disk")
    scene.arena.start_worker()
    scene.create("consume_verified", items=4)
    scene.meet("finish.verified")


def batch_limit(scene: Scene) -> None:
    """There is more to erase than one batch."""
    scene.arena.start_worker()
    scene.create("erase_items", items=60)


# The kind of finding that each must lead to.
SCENARIOS: Final[dict[str, tuple[Callable[[Scene], None], str]]] = {
    "no_fence": (no_fence, "doubled"),
    "blind_save": (blind_save, "lies"),
    "no_sweep": (no_sweep, "stuck"),
    "rescue_by_time": (rescue_by_time, "taken"),
    "check_then_insert": (check_then_insert, "doubled"),
    "host_clock": (host_clock, "lies"),
    "swallowed_finish": (swallowed_finish, "stuck"),
    "batch_limit": (batch_limit, "lies"),
}


def run(directory: Path, *, bug: str, planted: bool) -> dict[str, Any]:
    """Play the scenario of ``bug``, with it or without; ``caught``: the checker found what it should."""
    play, kind = SCENARIOS[bug]
    with arena_of(directory, 1, bug=bug if planted else "") as arena:
        play(Scene(arena))
        arena.note_ended()
        until(lambda: all(map(is_at_work, arena.workers)), seconds=PATIENCE_SECONDS, what="the workers to be up")
        drained = arena.drain(seconds=DRAIN_SECONDS)
        for worker in list(arena.workers):
            arena.terminate(worker)
        verdict = check(arena.evidence())
    counts = verdict.counts
    return {**summary(verdict), "bug": bug, "planted": planted, "caught": counts[kind] > 0, "drained": drained} | {
        "is_clean": verdict.is_clean and (kind != "taken" or not counts["taken"])
    }


def is_alive(process: Process) -> bool:
    return process.is_alive
