"""A caller of the API over HTTP who never stops, whatever the database does; every answer is noted and judged."""

import json
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from tests.support.http_server import Answer, send
from tests.system.chaos.records import Record

PACE_SECONDS: Final = 0.1
# The one 503 after which a row may be there.
UNKNOWN: Final = "outcome_unknown"
UP: Final = "up"
CHANGING: Final = "changing"
AWAY: Final = {"GET": {503}, "POST": {503}}
# What each outage allows; when it begins or ends, either answer is right.
ANSWERS: Final[dict[str, dict[str, set[int]]]] = {
    UP: {"GET": {200}, "POST": {201}},
    CHANGING: {"GET": {200, 503}, "POST": {201, 503}},
    "restart": AWAY,
    "crash": AWAY,
    "away": AWAY,
    "read-only": {"GET": {200, 503}, "POST": {503}},
    # The server panics, and may come back for as long as it needs no further piece of log.
    # A full table may have room for one more row that is shorter: what is said of it must be true, and is checked.
    "full disk": {"GET": {200, 503}, "POST": {201, 503}},
    "full log": {"GET": {200, 503}, "POST": {201, 503}},
    # Whoever waits for less than the lock is held is told so; nobody who only reads has to wait.
    "locked": {"GET": {200}, "POST": {201, 503}},
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: what the database was in all the time from request to answer, and what is wrong with the answer."""

    method: str
    state: str
    status: int
    problem: str


class Caller(threading.Thread):
    """Lists and creates jobs in turn; ``state`` is set by whoever makes the outages."""

    def __init__(self, port: int, *, project_key: str, secret: str, record: Path) -> None:
        super().__init__(name="caller", daemon=True)
        self.calls: list[Call] = []
        self._state: list[str] = [CHANGING]
        self._port = port
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n"
        self._target = f"/public/{project_key}/jobs"
        self._record = Record(record)
        self._ended = threading.Event()

    def enter(self, state: str) -> None:
        """Say how the database is from now on."""
        self._state = [state]  # a new object: one outage is not another of the same name

    def run(self) -> None:
        """Call until :meth:`end`."""
        while not self._ended.wait(PACE_SECONDS):
            self._call("GET", None)
            self._create()

    def end(self) -> None:
        """Stop calling."""
        self._ended.set()
        self.join()

    def answered(self, state: str) -> Counter[str]:
        """Count the answers that were given in ``state``."""
        return Counter(f"{call.method} {call.status}" for call in list(self.calls) if call.state == state)

    def problems(self) -> list[str]:
        """Return what is wrong with the answers."""
        return [f"{call.method} while {call.state}: {call.problem}" for call in self.calls if call.problem]

    def _create(self) -> None:
        intent = uuid4().hex
        self._record.write("create", intent=intent, items=0)
        body = {"action": "consume_plain", "referenceId": intent, "description": intent}
        _, answer = self._call("POST", body)
        if answer is not None and answer.status == 201:
            self._record.write("created", intent=intent, job=json.loads(answer.body)["data"]["jobId"])
        elif answer is not None and answer.status == 503 and _code_of(answer) != UNKNOWN:
            self._record.write(
                "refused", intent=intent, code=_code_of(answer)
            )  # the checker sees to it that no row is there
        else:
            # The connection may have been cut between the COMMIT and the reply to it.
            self._record.write("unknown", intent=intent)

    def _call(self, method: str, body: dict[str, Any] | None) -> tuple[str, Answer | None]:
        before = self._state
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {self._target} HTTP/1.1\r\n{self._head}"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        try:
            answer = send(self._port, head.encode() + b"\r\n" + content)
        except OSError as error:
            answer, problem = None, f"no answer: {error}"
        state = before[0] if self._state is before else CHANGING
        if answer is not None:
            problem = _problem(answer, ANSWERS[state][method])
        self.calls.append(Call(method=method, state=state, status=answer.status if answer else 0, problem=problem))
        return state, answer


def _code_of(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body).get("code", ""))
    except ValueError:
        return ""


def _problem(answer: Answer, allowed: set[int]) -> str:
    """Return what is wrong with an answer; empty: nothing."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return f"{answer.status} without JSON: {answer.body[:200]!r}"
    if answer.status not in allowed:
        return f"{answer.status} {body}"
    if answer.status == 503 and body.get("code") != UNKNOWN:
        if not answer.headers.get("retry-after", "").isdigit():
            return f"503 without Retry-After: {answer.headers}"
        if body.keys() != {"error", "code", "requestId"}:
            return f"503 without the envelope: {body}"
    return ""
