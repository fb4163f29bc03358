"""A rolling release under load: workers and web of two releases at once, over which actions change.

With ``old_commit`` the old processes run the app of that commit, on the tables of this one.
"""

import subprocess
import time
from pathlib import Path
from typing import Any, Final

from django.db import connection

from tests.support.concurrency import until
from tests.support.source import ROOT
from tests.system.chaos.api_server import ApiServer
from tests.system.chaos.client import OFFERED_ACTIONS
from tests.system.chaos.cluster import READY_SECONDS, Cluster, Worker, running_cluster
from tests.system.chaos.rolling_actions import CODE, NEW, OFFERED, OLD, OLD_PACKAGE, REASONS
from tests.system.chaos.worker_faults import await_load, conclude, report_progress

BESIDE_SECONDS: Final = 1.5
BY_ACTION: Final = "SELECT action, status, count(*) FROM jobs_job GROUP BY action, status ORDER BY action, status"
WRONG_ENDS: Final = "SELECT id, action, errors FROM jobs_job WHERE status = 'failed'"
BLAMED: Final = "SELECT id, action, crashes, failures FROM jobs_job WHERE crashes > 0 OR failures > 0"


class RollingCluster(Cluster):
    """Starts workers of the release that ``code`` names; callers ask for the actions of the web's release."""

    def __init__(self, directory: Path, *, old_package: str, **options: Any) -> None:
        super().__init__(directory, **options)
        self.code = OLD
        self._old_package = old_package

    def start_worker(self, **environment: str) -> Worker:
        return super().start_worker(**self._release(self.code), **environment)

    def start_server(self, **environment: str) -> None:
        """Serve the API of the release that ``code`` names; callers that start from now on call it."""
        self._pids = self._pids.with_name(f"{self.code}-pids")
        self._pids.mkdir()
        super().start_server(**self._release(self.code), **environment)
        self._api[OFFERED_ACTIONS] = ",".join(OFFERED[self.code])

    def replace_worker(self, worker: Worker) -> None:
        """Stop a worker as a deployment does, and start one of the release that ``code`` names."""
        self.stop(worker)
        following = self.start_worker()
        until(lambda: is_up(following), seconds=READY_SECONDS, what="the new worker to be up")

    def hand_over_server(self) -> ApiServer:
        """Start the web of the new release beside the old one, and return that."""
        assert self.server is not None, "callers run"
        before, self.server = self.server, None
        self.start_server()
        return before

    def _release(self, code: str) -> dict[str, str]:
        if code == NEW or not self._old_package:
            return {CODE: code}
        # Without the directory of manage.py, which would come first.
        path = {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{self._old_package}:{ROOT}"}
        return {CODE: code, OLD_PACKAGE: self._old_package, **path}


def is_up(worker: Worker) -> bool:
    if not worker.is_alive:
        raise RuntimeError(f"a worker has ended:\n{worker.log}")
    return worker.is_ready


def run(directory: Path, *, count: int, seed: int, old_commit: str) -> dict[str, Any]:
    """Release once, workers first and then the web, with ``count`` further restarts; return the row of a table."""
    old_package, left_out = unpack(directory, old_commit)
    with running_cluster(directory, seed=seed, of=RollingCluster, old_package=old_package) as cluster:
        await_load(cluster)
        time.sleep(BESIDE_SECONDS)
        cluster.code = NEW
        for worker in list(cluster.workers):
            cluster.replace_worker(worker)
            cluster.record_final_rows()
            time.sleep(BESIDE_SECONDS)
        old_callers, old_web = list(cluster.clients), cluster.hand_over_server()
        cluster.clients.clear()
        try:
            await_load(cluster)  # callers of the new web
            time.sleep(BESIDE_SECONDS)
        finally:
            for caller in old_callers:
                caller.kill()
            old_web.stop()
        for number in range(count):
            await_load(cluster)
            cluster.replace_worker(cluster.random.choice(cluster.workers))
            cluster.record_final_rows()
            report_progress("restarts", number + 1, count)
        result = conclude(cluster, seed)
    return judge({**result, "old_commit": old_commit, "left_out": left_out})


def judge(result: dict[str, Any]) -> dict[str, Any]:
    """Take what had to fail out of what the checker found, and find who failed, or was blamed, without a reason."""
    with connection.cursor() as cursor:
        cursor.execute(WRONG_ENDS)
        failed = cursor.fetchall()
        cursor.execute(BLAMED)
        blamed = cursor.fetchall()
        cursor.execute(BY_ACTION)
        by_action = [f"{action} {status}: {count}" for action, status, count in cursor.fetchall()]
    problems = [f"job {pk} of {action} failed: {why}" for pk, action, why in failed if why != REASONS.get(action)]
    problems += [f"job {pk} of {action} was blamed" for pk, action, *_ in blamed if action not in REASONS]
    if not any(action == "roll_added" for _, action, _ in failed) and "roll_added completed" not in " ".join(by_action):
        problems.append("no job of the added action ran")
    counts = {**result["counts"], "lost": result["counts"]["lost"] - len(failed)}
    is_clean = not problems and not any(number for kind, number in counts.items() if kind != "taken")
    ended = {"ended_with_a_reason": len(failed), "by_action": by_action}
    return {**result, **ended, "counts": counts, "problems": problems, "is_clean": is_clean}


def unpack(directory: Path, commit: str) -> tuple[str, dict[str, str]]:
    """Write the app of a commit into a directory, and return that, or nothing and why it is left out."""
    place = directory / "old-package"
    place.mkdir()
    if not commit:
        return "", {}
    archive = subprocess.run(["git", "archive", commit, "jobs"], cwd=ROOT, capture_output=True)
    if archive.returncode:
        return "", {"old code": archive.stderr.decode().strip()}
    subprocess.run(["tar", "-x", "-C", str(place)], input=archive.stdout, check=True)
    return str(place), {}
