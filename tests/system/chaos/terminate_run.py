"""A run in which sessions of the database are ended at random, several a second, under load over HTTP.

Callers repeat what they have no answer to, with the same ``Idempotency-Key``, so that each call ends with an answer.
"""

import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, connection

from tests.system.chaos.call_log import read_calls
from tests.system.chaos.client import RETRIES
from tests.system.chaos.cluster import Cluster, now, running_cluster
from tests.system.chaos.evidence import Fault
from tests.system.chaos.faulty_runs import without_uncounted
from tests.system.chaos.worker_faults import WORKERS, await_load, conclude, report_progress

CLIENTS: Final = 4
TARGET: Final = 40
PACE_SECONDS: Final = 0.1
LOAD_EVERY: Final = 25
MOST_RETRIES: Final = 100
# Half of the time one that is at work, if there is one: most sessions are idle at any moment.
END_ONE: Final = """
SELECT pid, state, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY (state <> 'idle' AND %s) DESC, md5(pid::text || %s) LIMIT 1
"""


class RetryingCluster(Cluster):
    """Its clients repeat calls without an answer."""

    def start_server(self, **environment: str) -> None:
        super().start_server(**environment)
        self._api[RETRIES] = str(MOST_RETRIES)


def run(directory: Path, *, count: int, seed: int) -> dict[str, Any]:
    """End ``count`` sessions of workers, of the API and of its callers, ten a second at most."""
    with running_cluster(directory, seed=seed, of=RetryingCluster) as cluster:
        began = time.monotonic()
        await_load(cluster)
        while len(cluster.faults) < count:
            end_session(cluster)
            if len(cluster.faults) % LOAD_EVERY == 0:
                cluster.replace_ended(workers=WORKERS, clients=CLIENTS, target=TARGET)
                cluster.record_final_rows()
            report_progress("sessions ended", len(cluster.faults), count)
            time.sleep(PACE_SECONDS)
        seconds = time.monotonic() - began
        ended = len(cluster.lifetimes) - WORKERS
        result = without_uncounted(conclude(cluster, seed))
        calls = Counter(call["what"] for call in read_calls(cluster.calls))
    return {**result, "calls": dict(calls), "injected_seconds": round(seconds), "workers_ended": ended}


def end_session(cluster: Cluster) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(END_ONE, [cluster.random.random() < 0.5, str(cluster.random.random())])
            row = cursor.fetchone()
    except DatabaseError:
        connection.close()  # this process's own session
        return
    if row is not None:
        _, state, _ = row
        cluster.faults.append(Fault(at=now(), kind=f"session {state}"))
