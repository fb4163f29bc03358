"""For each planted bug a scenario that makes it show without luck; without the bug, the same scenario is clean."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from django.db import connection

from jobs import cancel_job, get_project_model, schedule_job
from jobs.models import Job
from tests.support.concurrency import until
from tests.support.processes import Process
from tests.system.chaos.call_log import CallLog
from tests.system.chaos.cluster import Cluster, Worker, now, running_cluster
from tests.system.chaos.models import Effect, Item
from tests.system.chaos.worker_faults import summary

PATIENCE_SECONDS: Final = 60
DRAIN_SECONDS: Final = 10


class Scenario:
    """A cluster, and calls of this process that are recorded as a client's are."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.project = get_project_model()._default_manager.first()
        self._log = CallLog(cluster.calls / "scenario")

    def create(self, action: str, items: int, **options: Any) -> Job:
        intent = uuid4().hex
        Item.objects.bulk_create([Item(owner=intent) for _ in range(items)])
        self._log.write("create", intent=intent, items=items)
        job = schedule_job(action, project=self.project, reference_id=intent, description=intent, **options)
        self._log.write("created", intent=intent, job=job.pk)
        return job

    def cancel(self, job: Job) -> None:
        """Cancel, and record what the job had done by then."""
        cancel_job(job.pk, project=self.project)
        self._log.write("cancelled", job=job.pk)
        effects = Effect.objects.filter(job_id=job.pk).count()
        left = Item.objects.filter(owner=job.reference_id).count()
        self._log.write("seen_after_cancel", job=job.pk, effects=effects, left=left)

    def await_hit(self, place: str) -> int:
        return int(until(lambda: self.cluster.find_hit(place), seconds=PATIENCE_SECONDS, what=place))

    def await_end(self, *processes: Process) -> None:
        for process in processes:
            process.wait(PATIENCE_SECONDS)


def no_fence(scenario: Scenario) -> None:
    """Freeze a worker between reading keys and its chunk; wake it when another worker has read the same keys."""
    cluster = scenario.cluster
    cluster.inject("action.keys_read", "freeze")
    first = cluster.start_worker()
    job = scenario.create("consume_verified", items=12)
    scenario.await_hit("action.keys_read")
    since = now()
    # The other waits until the first one's chunk was committed or refused: neither has to be quick.
    cluster.inject("action.keys_read", "wait")
    cluster.start_worker()
    scenario.await_hit("action.keys_read")
    cluster.wake(first.pid, since=since)
    until(lambda: has_outcome(first, job), seconds=PATIENCE_SECONDS, what="the outcome of the first worker's chunk")
    cluster.let_go_on()


def has_outcome(first: Worker, job: Job) -> bool:
    """Whether a chunk of the first attempt was committed, or refused."""
    is_refused = "is no longer this worker's" in first.log
    return is_refused or Effect.objects.filter(job_id=job.pk, attempt=1).exists()


def blind_save(scenario: Scenario) -> None:
    """Cancel just before a worker finishes."""
    scenario.cluster.inject("finish.before", "wait")
    scenario.cluster.start_worker()
    job = scenario.create("consume_plain", items=4)
    scenario.await_hit("finish.before")
    scenario.cancel(job)
    scenario.cluster.let_go_on()


def no_rescue(scenario: Scenario) -> None:
    """Kill a worker in a chunk; start another."""
    scenario.cluster.inject("chunk.inside", "kill")
    scenario.cluster.start_worker()
    scenario.create("consume_verified", items=8)
    scenario.await_hit("chunk.inside")
    scenario.cluster.start_worker()


def rescue_by_time(scenario: Scenario) -> None:
    """Run a long job; its lease is such that no pause of a busy computer ends it."""
    scenario.cluster.start_worker(CHAOS_LEASE_SECONDS="10")
    scenario.create("consume_verified", items=200)


def check_then_insert(scenario: Scenario) -> None:
    """Let two clients ask for the same job at the same time, while no worker runs."""
    scenario.await_end(*[scenario.cluster.start_client(target=0, seed="once") for _ in range(2)])
    scenario.cluster.start_worker()


def due_a_day_early(scenario: Scenario) -> None:
    """Create a job that is due in an hour, and one that is due now."""
    scenario.create("consume_plain", items=4, start_at=now() + timedelta(hours=1))
    due = scenario.create("consume_plain", items=4)
    scenario.cluster.start_worker()
    completed = Job.objects.filter(pk=due.pk, status="completed")
    until(completed.exists, seconds=PATIENCE_SECONDS, what="the job that is due to be completed")


def swallowed_finish(scenario: Scenario) -> None:
    """Let the database go away while a finish is written, and come back."""
    scenario.cluster.inject("finish.verified", "cut" if connection.vendor == "postgresql" else "disk")
    scenario.cluster.start_worker()
    scenario.create("consume_verified", items=4)
    scenario.await_hit("finish.verified")


def batch_limit(scenario: Scenario) -> None:
    """Erase more items than one batch takes."""
    scenario.cluster.start_worker()
    scenario.create("erase_items", items=60)


# Each with the kind of finding that the bug must lead to.
SCENARIOS: Final[dict[Callable[[Scenario], None], str]] = {
    no_fence: "doubled",
    blind_save: "lies",
    no_rescue: "stuck",
    rescue_by_time: "taken",
    check_then_insert: "doubled",
    due_a_day_early: "lies",
    swallowed_finish: "stuck",
    batch_limit: "lies",
}


def run(directory: Path, *, bug: str, planted: bool) -> dict[str, Any]:
    """Play the scenario of ``bug``, with or without it; ``caught``: the checker found what it should."""
    play, kind = next((play, kind) for play, kind in SCENARIOS.items() if play.__name__ == bug)
    with running_cluster(directory, bug=bug if planted else "") as cluster:
        play(Scenario(cluster))
        cluster.await_workers()
        drained = cluster.drain(seconds=DRAIN_SECONDS)
        cluster.stop_workers()
        verdict = cluster.check()
    result = {**summary(verdict), "bug": bug, "planted": planted, "caught": verdict.counts[kind] > 0}
    is_clean = verdict.is_clean and (kind != "taken" or not verdict.counts["taken"])
    return {**result, "drained": drained, "is_clean": is_clean}
