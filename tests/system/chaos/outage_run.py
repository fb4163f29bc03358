"""A run with outages of the database under load: workers, clients and the API survive them and go on by themselves."""

import time
from collections import Counter
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

from django.db import connection

from jobs.models import Job, JobEvent
from tests.support.concurrency import TimedOut, until
from tests.support.factories import make_key, make_project
from tests.support.http_server import running_server
from tests.system.chaos.api_probe import CHANGING, UP, ApiProbe
from tests.system.chaos.checker import percentiles
from tests.system.chaos.cluster import Cluster, Worker, running_cluster
from tests.system.chaos.evidence import Fault
from tests.system.chaos.outage_databases import OutageDatabase
from tests.system.chaos.outage_logs import problems_of, trouble_lines
from tests.system.chaos.worker_faults import await_load, conclude, report_progress

BETWEEN_SECONDS: Final = (0.5, 2.0)
RETURN_SECONDS: Final = 30
# A full disk may have room for some more rows, which are soon written.
EFFECT_SECONDS: Final = 30
FAILS_NOTHING: Final = ("locked",)  # a call may wait for as long as the lock lasts
SHOWN: Final = 10


class OutageRun:
    """Makes outages, and records which workers and answers did not come back by themselves."""

    def __init__(self, cluster: Cluster, probe: ApiProbe, database: OutageDatabase) -> None:
        self.problems: list[str] = []
        self.first_claims: list[float] = []
        self.all_claims: list[float] = []
        self.logs: set[Path] = set()
        self._cluster = cluster
        self._probe = probe
        self._database = database

    def make_outage(self, kind: str) -> None:
        """Let one outage begin, last and end; then wait until every worker has claimed again and the API serves."""
        await_load(self._cluster)
        self._cluster.record_final_rows()
        self._probe.enter(UP)
        time.sleep(self._cluster.random.uniform(*BETWEEN_SECONDS))
        workers = [worker for worker in self._cluster.workers if worker.is_ready]
        self.logs |= {worker.log_path for worker in workers}
        connection.close()
        self._probe.enter(CHANGING)
        outage, length = self._database.outages[kind]
        began = datetime.now(UTC)
        with outage():
            calls = len(self._probe.calls)
            self._probe.enter(kind)
            time.sleep(self._cluster.random.uniform(*length))
            if kind not in FAILS_NOTHING:
                self._await_effect(kind, calls)
            self._probe.enter(CHANGING)
        back = datetime.now(UTC)
        self._cluster.faults.append(Fault(at=began, until=back, kind=kind))
        self._await_return(kind, workers, back=back)

    def _await_effect(self, kind: str, since: int) -> None:
        def has_failed() -> bool:
            calls = self._probe.calls[since:]
            return any((call.state, call.method, call.status) == (kind, "POST", 503) for call in calls)

        try:
            until(has_failed, seconds=EFFECT_SECONDS, what="a call that fails")
        except TimedOut as error:
            self.problems.append(f"in {kind}: {error}")

    def _await_return(self, kind: str, workers: list[Worker], *, back: datetime) -> None:
        claims = JobEvent.objects.filter(what="claimed", at__gte=back)
        calls = len(self._probe.calls)

        def have_claimed() -> bool:
            pids = {int(actor.split(":")[2]) for actor in claims.values_list("actor", flat=True)}
            return pids >= {worker.pid for worker in workers if worker.is_alive}

        def is_served() -> bool:
            return {"GET 200", "POST 201"} <= {f"{call.method} {call.status}" for call in self._probe.calls[calls:]}

        try:
            until(have_claimed, seconds=RETURN_SECONDS, what="every worker to claim again")
            until(is_served, seconds=RETURN_SECONDS, what="the API to serve again")
        except TimedOut as error:
            self.problems.append(f"after {kind}: {error}")
        firsts = dict(claims.order_by("-at").values_list("actor", "at"))  # the last in this order is the first claim
        waits = sorted((at - back).total_seconds() for at in firsts.values())
        self.first_claims += waits[:1]
        self.all_claims += waits
        self.problems += [f"a worker ended in {kind}: exit status {w.exit_status}" for w in workers if not w.is_alive]


def run(directory: Path, database: OutageDatabase, *, count: int, seed: int) -> dict[str, Any]:
    """Make ``count`` outages of all kinds, in an order that the seed decides; return the row of a table."""
    for kind, reason in database.left_out.items():
        print(f"{connection.vendor}: {kind} is left out: {reason}", flush=True)
    gunicorn_log = directory / "gunicorn.log"
    with (
        running_cluster(directory, seed=seed) as cluster,
        gunicorn_log.open("wb") as log,
        running_server(log) as port,
    ):
        project = make_project()
        secret = make_key(organization=project.organization).secret
        probe = ApiProbe(port, project_key=project.key, secret=secret, log_path=cluster.calls / "probe")
        kinds = sorted(database.outages) * ceil(count / len(database.outages))
        cluster.random.shuffle(kinds)
        outages = OutageRun(cluster, probe, database)
        probe.start()
        try:
            for number, kind in enumerate(kinds[:count]):
                outages.make_outage(kind)
                report_progress("outages", number + 1, count)
        finally:
            probe.end()
        result = conclude(cluster, seed)
        problems = [*outages.problems, *probe.problems(), *problems_after(outages, result, gunicorn_log.read_text())]
    return {
        **result,
        "is_clean": result["is_clean"] and not problems,
        "recoveries": len(outages.first_claims),
        "recovery": percentiles(outages.first_claims),
        "recovery_of_each_worker": percentiles(outages.all_claims),
        "left_out": database.left_out,
        "answers": {state: probe.count_answers(state) for state in (UP, *database.outages)},
        "trouble_lines": sum(len(trouble_lines(log.read_text())) for log in outages.logs),
        "problems": len(problems),
        "first_problems": problems[:SHOWN],
        "kinds_of_problems": dict(Counter(text.partition(":")[0] for text in problems).most_common(SHOWN)),
    }


def problems_after(outages: OutageRun, result: dict[str, Any], gunicorn_log: str) -> list[str]:
    """Return what is wrong in the logs and in the jobs after the run."""
    problems = [f"{log.name}: {text}" for log in sorted(outages.logs) for text in problems_of(log.read_text())]
    blamed = Job.objects.filter(failures__gt=0).values_list("pk", flat=True)
    problems += [f"job {pk} was blamed for an outage" for pk in blamed]
    problems += [f"a late exit: {exit_}" for exit_ in result["late_exits"]]
    if (boots := gunicorn_log.count("Booting worker")) != 1:
        problems.append(f"gunicorn started {boots} workers")
    return problems
