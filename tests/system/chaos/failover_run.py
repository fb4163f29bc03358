"""A run in which the primary is lost under load, again and again, and its streaming standby takes its place.

With a synchronous standby nothing acknowledged may be lost. With an asynchronous one the commits of its lag are lost
with the primary; the run counts what callers were told of them, and that nothing older is lost.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.db import connection

from jobs.models import JobEvent
from tests.support.concurrency import TimedOut, until
from tests.system.chaos.call_log import read_calls
from tests.system.chaos.cluster import Cluster, Worker, running_cluster
from tests.system.chaos.evidence import Fault
from tests.system.chaos.replication import LAG_SECONDS, ReplicatedPostgres
from tests.system.chaos.worker_faults import await_load, conclude, report_progress

BETWEEN_SECONDS: Final = (1.5, 4.0)
RETURN_SECONDS: Final = 60
# An answer is written down a moment after the commit that it tells of.
ANSWER_SECONDS: Final = 0.5


def run(directory: Path, servers: ReplicatedPostgres, *, count: int, seed: int, synchronous: bool) -> dict[str, Any]:
    """Lose the primary ``count`` times; return the row of a table."""
    problems: list[str] = []
    losses: list[float] = []
    with running_cluster(directory, seed=seed) as cluster:
        for number in range(count):
            await_load(cluster)
            cluster.record_final_rows()
            time.sleep(cluster.random.uniform(*BETWEEN_SECONDS))
            workers = [worker for worker in cluster.workers if worker.is_ready]
            connection.close()
            losses.append(servers.lose_primary())
            lost, back = datetime.fromtimestamp(losses[-1], UTC), datetime.now(UTC)
            kind = "failover" if synchronous else "asynchronous failover"
            cluster.faults.append(Fault(at=lost, until=back, kind=kind))
            problems += await_return(workers, back)
            servers.add_standby()
            report_progress("failovers", number + 1, count)
        result = conclude(cluster, seed)
        problems += [f"a late exit: {exit_}" for exit_ in result["late_exits"]]
        if not synchronous:
            result = without_the_lag(result, lost_with_the_primary(cluster, losses))
            problems += result["unexplained"]
    return {**result, "is_clean": result["is_clean"] and not problems, "problems": problems}


def without_the_lag(result: dict[str, Any], lost: dict[str, Any]) -> dict[str, Any]:
    """Leave in the counts what a lag does not explain; a cancel that is undone and items of a lost job are of it."""
    counts = {kind: result["counts"][kind] for kind in ("doubled", "ghost", "stuck")}
    counts["lost"] = len(lost["unexplained"])
    return {**result, **lost, "counts": counts, "with_the_lag": result["counts"], "is_clean": not any(counts.values())}


def await_return(workers: list[Worker], back: datetime) -> list[str]:
    """Wait until every worker has claimed from the new primary; return what did not come back by itself."""
    claims = JobEvent.objects.filter(what="claimed", at__gte=back)

    def have_claimed() -> bool:
        pids = {int(actor.split(":")[2]) for actor in claims.values_list("actor", flat=True)}
        return pids >= {worker.pid for worker in workers if worker.is_alive}

    problems = []
    try:
        until(have_claimed, seconds=RETURN_SECONDS, what="every worker to claim again")
    except TimedOut as error:
        problems.append(str(error))
    return problems + [f"a worker ended with {worker.exit_status}" for worker in workers if not worker.is_alive]


def lost_with_the_primary(cluster: Cluster, losses: list[float]) -> dict[str, Any]:
    """Count by SQL the acknowledged jobs that are not there and the acknowledged cancels that are undone.

    Each must have been acknowledged within the lag before a loss; one that was not is ``unexplained``.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT description, status FROM jobs_job")
        statuses = dict(cursor.fetchall())
    intents: dict[int, str] = {}
    found: dict[str, list[float]] = {"created": [], "cancelled": []}
    told = {"created": 0, "cancelled": 0}
    # In the order in which they were answered: after a loss, an id may be given to another job.
    answers = [call for call in read_calls(cluster.calls) if call["what"] in told]
    for call in sorted(answers, key=lambda call: call["at"]):
        what = call["what"]
        told[what] += 1
        if what == "created":
            intents[call["job"]] = call["intent"]
        status = statuses.get(intents[call["job"]])
        if status is None or (what == "cancelled" and status != "cancelled"):
            found[what].append(call["at"])
    return {
        "lost_creates": f"{len(found['created'])} of {told['created']}",
        "lost_cancels": f"{len(found['cancelled'])} of {told['cancelled']}",
        "unexplained": [
            f"an acknowledged {what} was lost {min(abs(lost - at) for lost in losses):.1f} s from a failover"
            for what, instants in found.items()
            for at in instants
            if not any(-ANSWER_SECONDS <= lost - at <= LAG_SECONDS + ANSWER_SECONDS for lost in losses)
        ],
    }
