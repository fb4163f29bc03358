"""The course of a night on which the clocks change: see ``zone_changes``."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from django.db import connection

from jobs import get_project_model
from jobs.db import clock as database_clock
from jobs.services.tenants.api_keys import create_api_key
from tests.support.concurrency import TimedOut, until
from tests.system.chaos.call_log import CallLog
from tests.system.chaos.client import Api
from tests.system.chaos.cluster import Cluster, running_cluster
from tests.system.chaos.fake_clock import remove_shared_memory
from tests.system.chaos.models import Item
from tests.system.chaos.worker_faults import summary
from tests.system.chaos.zone_changes import DAY, END_SECONDS, ITEMS, JOBS, MIDNIGHTS, Clock

WORKERS: Final = 2
# Not that attempts are counted: libfaketime gives PostgreSQL's signal handlers the true time now and then, so that
# timeouts of transactions end sessions, as in an outage.
PROMISED: Final = ("lost", "doubled", "ghost", "stuck", "lies")
NOT_ENDED: Final = "SELECT count(*) FROM jobs_job WHERE status <> 'completed'"
ROWS: Final = "SELECT id, action, attempt, start_at, started_at FROM jobs_job ORDER BY id"


class Night:
    """Asks for jobs over the API while the clock is set to what matters."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        assert cluster.server is not None, "it serves"
        self.clock = clock
        self.problems: list[str] = []
        self._project = get_project_model()._default_manager.first()
        secret = create_api_key(organization=self._project.organization).secret
        self._api = Api(port=cluster.server.port, keys={self._project.key: secret})
        self._log = CallLog(cluster.calls / "night")

    def ask(self, action: str, *, at: datetime, start_at: datetime | None = None, jobs: int = JOBS) -> None:
        """Create jobs, which must be due at ``at``."""
        for _ in range(jobs):
            intent = uuid4().hex
            Item.objects.bulk_create([Item(owner=intent) for _ in range(ITEMS)])
            self._log.write("create", intent=intent, items=ITEMS)
            body: dict[str, Any] = {"action": action, "referenceId": intent, "description": intent}
            if start_at:
                body["startAt"] = round(start_at.timestamp() * 1000)
            answer = self._api.call("POST", self._project, "", body)
            if answer.status != 201:
                self.problems.append(f"a create was answered with {answer}")
                continue
            self._log.write("created", intent=intent, job=answer.body["data"]["jobId"])
            if answer.body["data"]["startAt"] != round(at.timestamp() * 1000):
                self.problems.append(f"a job that is due at {at} would start at {answer.body['data']['startAt']}")

    def expect(self, not_ended: int, *, when: str) -> None:
        """Wait until so many jobs have not ended: those that are not due."""
        try:
            until(lambda: count_not_ended() <= not_ended, seconds=END_SECONDS, what="what is due to end")
        except TimedOut:
            self.problems.append(f"{when}, {count_not_ended()} jobs have not ended, not {not_ended}")
        if count_not_ended() < not_ended:
            self.problems.append(f"{when}, {not_ended - count_not_ended()} jobs have run that are not due")


def run(directory: Path, clock: Clock, *, season: str) -> dict[str, Any]:
    """Let the night pass; return findings, problems, and by how much the jobs started late."""
    with running_cluster(directory) as cluster:
        try:
            cluster.start_server(**clock.environment)
            for _ in range(WORKERS):
                cluster.start_worker(**clock.environment)
            cluster.await_workers()
            night = Night(cluster, clock)
            pass_night(night, MIDNIGHTS[season])
            cluster.record_final_rows()
            cluster.stop_workers()
        finally:
            cluster.close()
            for process in (*cluster.lifetimes, *filter(None, [cluster.server])):
                remove_shared_memory(process.pid)
        verdict = cluster.check()
    late = lateness()
    return {
        **summary(verdict),
        "counts": {kind: verdict.counts[kind] for kind in PROMISED},
        "late_seconds": [round(seconds, 1) for seconds in late],
        "problems": night.problems,
        "faults": {"clock set": night.clock.times_set},
        "seed": "",
        "is_clean": not any(verdict.counts[kind] for kind in PROMISED) and not night.problems,
    }


def pass_night(night: Night, midnight: datetime) -> None:
    """Pass midnight, the change of the clocks an hour later, the same reading twice, and the next midnight."""
    clock = night.clock
    change, following = midnight + timedelta(hours=1), midnight + DAY
    clock.set(midnight - timedelta(minutes=1))
    night.ask("consume_at_midnight", at=midnight)
    night.expect(JOBS, when="before midnight")
    clock.pass_by(midnight)
    night.expect(0, when="after midnight")
    # Half an hour before the change, for half an hour after it: in autumn both are 02:30 in Berlin.
    clock.set(midnight + timedelta(minutes=30))
    again = change + timedelta(minutes=30)
    night.ask("consume_plain", at=again, start_at=again)
    night.ask("consume_at_midnight", at=following)
    night.expect(2 * JOBS, when="half an hour after midnight")
    clock.pass_by(change)
    night.expect(2 * JOBS, when="after the change")
    clock.pass_by(again)
    night.expect(JOBS, when="half an hour after the change")
    clock.set(midnight - timedelta(minutes=1))  # as if somebody set it back
    night.expect(JOBS, when="after the clock was set back")
    clock.pass_by(following)
    night.expect(0, when="after the next midnight")


def count_not_ended() -> int:
    with connection.cursor() as cursor:
        cursor.execute(NOT_ENDED)
        return int(cursor.fetchone()[0])


def lateness() -> tuple[float, float]:
    """Return by how many seconds after its time the first job, and the last one, was claimed."""
    with connection.cursor() as cursor:
        cursor.execute(ROWS)
        rows = cursor.fetchall()
    late = [
        (database_clock.as_datetime(started) - database_clock.as_datetime(start)).total_seconds()
        for *_, start, started in rows
    ]
    return min(late), max(late)
