"""Callers of the API over HTTP: threads that create, read, list and cancel jobs, and note how long each call took."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

ANSWER_SECONDS: Final = 60
# Fewer than a caller's fair share at a midnight, so that its jobs wait for others alone.
ROUNDS_TO_A_DUE_JOB: Final = 8
FAR_OFF_MS: Final = 32_503_680_000_000  # the year 3000


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of all values do not exceed; 0.0: there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def spread(values: Sequence[float], *, digits: int = 3) -> list[float]:
    """Return the median, the 99th of a hundred, and the greatest."""
    return [round(value, digits) for value in (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1))]


class Caller(threading.Thread):
    """Calls until ``ended`` is set or ``count`` calls were made, with a pause of ``pace`` seconds between two."""

    def __init__(self, port: int, *, project: str, secret: str, pace: float, count: int | None = None) -> None:
        super().__init__(name="caller", daemon=True)
        self.ended = threading.Event()
        self.seconds: dict[str, list[float]] = {}
        self.statuses: Counter[int] = Counter()
        self.problems: list[str] = []
        self.created: list[int] = []
        self._path = f"/public/{project}/jobs"
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        self._pace = pace
        self._rounds = 0
        self._count = count

    @property
    def made(self) -> int:
        return self.statuses.total()

    def run(self) -> None:
        while not self.ended.is_set() and (self._count is None or self.made < self._count):
            self._round()
        self._connection.close()

    def _round(self) -> None:
        """Create a job that is far off, now and then one that is due, read the last of these, list all, cancel one."""
        far = self._create({"startAt": FAR_OFF_MS})
        if self._rounds % ROUNDS_TO_A_DUE_JOB == 0 and (due := self._create({})):
            self.created.append(due)
        self._rounds += 1
        if self.created:
            self._call("read", "GET", f"/{self.created[-1]}")
        self._call("list", "GET", "?limit=50")
        if far:
            self._call("cancel", "DELETE", f"/{far}")

    def _create(self, further: dict[str, Any]) -> int:
        wanted = {"action": "scale_nothing", "referenceId": f"caller-{uuid4().hex}", **further}
        answer = self._call("create", "POST", "", json.dumps(wanted))
        return int(answer["data"]["jobId"]) if answer else 0

    def _call(self, what: str, method: str, path: str, body: str | None = None) -> Any:
        begun = time.monotonic()
        try:
            self._connection.request(method, self._path + path, body=body, headers=self._headers)
            response = self._connection.getresponse()
            received = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.statuses[0] += 1
            self.problems.append(f"{what}: no answer: {error!r}")
            return None
        self.seconds.setdefault(what, []).append(time.monotonic() - begun)
        self.statuses[response.status] += 1
        if response.status >= 300:
            self.problems.append(f"{what}: {response.status} {received[:200]!r}")
        self.ended.wait(self._pace)
        return json.loads(received) if response.status < 300 else None

    def spreads(self) -> dict[str, list[float]]:
        """Return, by kind of call, the median, the 99th of a hundred and the longest, in seconds."""
        return {what: spread(seconds) for what, seconds in self.seconds.items()}
