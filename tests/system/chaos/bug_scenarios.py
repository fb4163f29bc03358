"""For each planted bug a scenario that makes it show without luck; without the bug, the same scenario is clean."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from django.db import connection

from jobs import cancel_job, get_project_model, schedule_job
from jobs.models import Job
from tests.support.concurrency import TimedOut, until
from tests.support.processes import Process
from tests.system.chaos.attempt_rules import MOST_ATTEMPTS
from tests.system.chaos.call_log import CallLog
from tests.system.chaos.cluster import Cluster, ShortenedCluster, Worker, now, running_cluster
from tests.system.chaos.models import Effect, Item, Note
from tests.system.chaos.worker_faults import summary

PATIENCE_SECONDS: Final = 60
DRAIN_SECONDS: Final = 10
HANG_SECONDS: Final = 60


class Scenario:
    """A cluster, and calls of this process that are recorded as a client's are."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.project = get_project_model()._default_manager.first()
        self._log = CallLog(cluster.calls / "scenario")

    def create(self, action: str, items: int, *, of: type[Item | Note] = Item, **options: Any) -> Job:
        intent = uuid4().hex
        of.objects.bulk_create([of(owner=intent) for _ in range(items)])
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


def hosts_delete(scenario: Scenario) -> None:
    """Erase rows of a model that deletes softly."""
    scenario.cluster.start_worker()
    scenario.create("erase_notes", items=12, of=Note)


def unchecked_record(scenario: Scenario) -> None:
    """Cancel while an action is in a chunk whose transaction it has ended itself."""
    scenario.cluster.inject("action.committed", "wait")
    scenario.cluster.start_worker()
    job = scenario.create("commit_in_chunk", items=0)
    scenario.await_hit("action.committed")
    scenario.cancel(job)
    scenario.cluster.let_go_on()


def uncounted_release(scenario: Scenario) -> None:
    """Let a job lose its connection by its own doing in each attempt."""
    scenario.cluster.start_worker()
    job = scenario.create("loop_close", items=0)
    rounds = Job.objects.filter(pk=job.pk, attempt__gt=MOST_ATTEMPTS)
    until(lambda: is_final(job) or rounds.exists(), seconds=PATIENCE_SECONDS, what="the job to end, or to go round")


def is_final(job: Job) -> bool:
    return not Job.objects.active().filter(pk=job.pk).exists()


def no_watchdog(scenario: Scenario) -> None:
    """Let a job hold the GIL of its worker in each attempt; a supervisor starts the worker anew when it has ended."""
    job = scenario.create("hang_in_c", items=0)

    def has_ended() -> bool:
        scenario.cluster.replace_ended(workers=1, clients=0, target=0)
        return is_final(job)

    with suppress(TimedOut):  # the checker finds the job running
        until(has_ended, seconds=HANG_SECONDS, what="the job to be failed")


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
    hosts_delete: "lies",
    unchecked_record: "lies",
    uncounted_release: "uncounted",
    no_watchdog: "stuck",
}
# With the usual waits these would take minutes.
SHORTENED: Final = (uncounted_release, no_watchdog)


def run(directory: Path, *, bug: str, planted: bool) -> dict[str, Any]:
    """Play the scenario of ``bug``, with or without it; ``caught``: the checker found what it should."""
    play, kind = next((play, kind) for play, kind in SCENARIOS.items() if play.__name__ == bug)
    cluster_type = ShortenedCluster if play in SHORTENED else Cluster
    with running_cluster(directory, bug=bug if planted else "", of=cluster_type) as cluster:
        play(Scenario(cluster))
        cluster.await_workers()
        drained = cluster.drain(seconds=DRAIN_SECONDS)
        cluster.stop_workers()
        verdict = cluster.check()
    result = {**summary(verdict), "bug": bug, "planted": planted, "caught": verdict.counts[kind] > 0}
    is_clean = verdict.is_clean and (kind != "taken" or not verdict.counts["taken"])
    return {**result, "drained": drained, "is_clean": is_clean}
