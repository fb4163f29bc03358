"""Asks a server by wrk, which must be installed; and checks beforehand that it answers as it should."""

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.benchmarks.peers.contract import NAMES
from tests.benchmarks.processes import MeasureFailed

WAIT_SECONDS: Final = 60
WARM_SECONDS: Final = 0.5
LIST: Final = "list of 50"
ONE: Final = "one job"
CANCEL: Final = "cancel"
# wrk calls `request` for each request and `done` once.
SCRIPT: Final = """
wrk.headers["Authorization"] = "Bearer {secret}"
local id = {start}
request = function()
  {request}
end
done = function(summary, latency, requests)
  local errors = summary.errors
  local wrong = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('RESULT {{"requests": %d, "microseconds": %d, "wrong": %d}}\\n',
    summary.requests, summary.duration, wrong))
end
"""


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """The project that is asked for, and a key of its organization; its jobs from first to last id all wait."""

    project_key: str
    secret: str
    first_id: int
    last_id: int


@dataclass
class Ids:
    """Gives out ids of jobs that were not cancelled yet."""

    next_id: int
    last_id: int

    def passed(self, number: int) -> None:
        self.next_id += number
        if self.next_id > self.last_id:
            raise MeasureFailed("all jobs are cancelled; take more --rows or fewer --rounds")


@dataclass(frozen=True, kw_only=True)
class Answered:
    """How many requests were answered, in how many seconds, and for how much processor time."""

    requests: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that is up: where, whom it is asked for, and the jobs that may be cancelled there.

    ``cpu`` returns the processor time so far of its processes and of its connections to the database.
    """

    port: int
    cpu: Callable[[], float]
    tenant: Tenant
    ids: Ids

    def ask(self, method: str, path: str, *, secret: str = "") -> tuple[int, Any]:
        """Return the status of ``…/jobs{path}`` and its body."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)) as connection:
            headers = {"Authorization": f"Bearer {secret or self.tenant.secret}"}
            connection.request(method, f"/public/{self.tenant.project_key}/jobs{path}", headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")

    def check(self) -> None:
        """Ask for everything that is measured, and for what must be refused; the jobs of the list are ten members each.

        Raises:
            MeasureFailed: an answer is not as it should be.
        """
        job_id = self.ids.next_id
        self.ids.passed(1)
        jobs = self.ask("GET", "?limit=50&page=1")[1]["data"]
        one = self.ask("GET", f"/{jobs[0]['jobId']}")
        refused = self.ask("GET", f"/{job_id}", secret="jsk_of_nobody")[0]
        cancelled, again = self.ask("DELETE", f"/{job_id}"), self.ask("DELETE", f"/{job_id}")[0]
        if (len(jobs), one, refused, again) != (50, (200, {"data": jobs[0]}), 401, 400) or set(jobs[0]) != set(NAMES):
            raise MeasureFailed(f"wrong answers: {len(jobs)} jobs, {one}, {jobs[0]}, {refused}, {again}")
        if cancelled[0] != 200 or cancelled[1]["data"]["status"] != "cancelled":
            raise MeasureFailed(f"a cancel was answered by {cancelled}")

    def warm(self) -> None:
        end = time.monotonic() + WARM_SECONDS
        while time.monotonic() < end:
            self.ask("GET", "?limit=50&page=1")

    def ask_many(self, what: str, *, connections: int, seconds: int) -> Answered:
        """Ask for so many seconds.

        Raises:
            MeasureFailed: an answer was an error, or did not come.
        """
        with TemporaryDirectory(prefix="jobs-benchmarks-") as directory:
            script = Path(directory, "requests.lua")
            script.write_text(self._script(what))
            command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={WAIT_SECONDS}s"]
            command += ["-s", str(script), f"http://127.0.0.1:{self.port}"]
            before = self.cpu()
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 2 * WAIT_SECONDS)
        results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if not results:
            raise MeasureFailed(f"wrk: {done.stdout}{done.stderr}")
        result = json.loads(results[0].removeprefix("RESULT "))
        if result["wrong"]:
            raise MeasureFailed(f"{result['wrong']} of {result['requests']} answers were wrong: {done.stdout}")
        if what == CANCEL:
            # Those that were under way at the end may have cancelled their jobs, too.
            self.ids.passed(result["requests"] + 2 * connections)
        self.ask("GET", f"/{self.tenant.first_id}")  # they are done when this is
        cpu_seconds = self.cpu() - before
        return Answered(requests=result["requests"], seconds=result["microseconds"] / 1e6, cpu_seconds=cpu_seconds)

    def _script(self, what: str) -> str:
        tenant = self.tenant
        path = f"/public/{tenant.project_key}/jobs"
        request = {
            LIST: f'return wrk.format("GET", "{path}?limit=50&page=1")',
            # All over the table, as callers do.
            ONE: f"id = {tenant.first_id} + (id * 7919 + 104729) % {tenant.last_id - tenant.first_id}"
            f' return wrk.format("GET", "{path}/" .. id)',
            CANCEL: f'local path = "{path}/" .. id; id = id + 1; return wrk.format("DELETE", path)',
        }[what]
        return SCRIPT.format(secret=tenant.secret, start=self.ids.next_id, request=request)


def require_wrk() -> None:
    """Raise MeasureFailed if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise MeasureFailed("wrk must be installed (Debian: wrk)")
