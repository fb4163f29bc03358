"""A thread that calls the API over HTTP throughout the outages of a run; it records and judges every answer."""

import json
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.support.http_server import Answer, send
from tests.system.chaos.call_log import CallLog

PACE_SECONDS: Final = 0.1
# The one 503 after which a row may be there.
UNKNOWN: Final = "outcome_unknown"
UP: Final = "up"
CHANGING: Final = "changing"
AWAY: Final = {"GET": {503}, "POST": {503}}
# A full table may have room for one more row that is shorter; whether a 201 is true is for the checker.
FULL: Final = {"GET": {200, 503}, "POST": {201, 503}}
# The answers that each outage allows; while it begins or ends, either is right.
ANSWERS: Final[dict[str, dict[str, set[int]]]] = {
    UP: {"GET": {200}, "POST": {201}},
    CHANGING: {"GET": {200, 503}, "POST": {201, 503}},
    "restart": AWAY,
    "crash": AWAY,
    "away": AWAY,
    "read-only": {"GET": {200, 503}, "POST": {503}},
    "full disk": FULL,
    "full log": FULL,  # the server panics, and may come back while it needs no further piece of log
    # A POST that waits for less than the lock lasts is refused; a GET does not wait.
    "locked": {"GET": {200}, "POST": {201, 503}},
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: the database's state from request to answer, and what is wrong with the answer."""

    method: str
    state: str
    status: int
    problem: str


class ApiProbe(threading.Thread):
    """Lists and creates jobs in turn; whoever makes the outages calls ``enter`` with the state of the database."""

    def __init__(self, port: int, *, project_key: str, secret: str, log_path: Path) -> None:
        super().__init__(name="api probe", daemon=True)
        self.calls: list[Call] = []
        self._state: list[str] = [CHANGING]
        self._port = port
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n"
        self._target = f"/public/{project_key}/jobs"
        self._log = CallLog(log_path)
        self._ended = threading.Event()

    def enter(self, state: str) -> None:
        self._state = [state]  # a new object: two outages of one kind are two states

    def run(self) -> None:
        while not self._ended.wait(PACE_SECONDS):
            self._call("GET")
            self._create()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def count_answers(self, state: str) -> dict[str, int]:
        counts = Counter(f"{call.method} {call.status}" for call in self.calls if call.state == state)
        return dict(sorted(counts.items()))

    def problems(self) -> list[str]:
        return [f"{call.method} while {call.state}: {call.problem}" for call in self.calls if call.problem]

    def _create(self) -> None:
        intent = uuid4().hex
        self._log.write("create", intent=intent, items=0)
        body = {"action": "consume_plain", "referenceId": intent, "description": intent}
        answer = self._call("POST", json.dumps(body).encode())
        if answer is not None and answer.status == 201:
            self._log.write("created", intent=intent, job=json.loads(answer.body)["data"]["jobId"])
        elif answer is not None and answer.status == 503 and _code_of(answer) != UNKNOWN:
            self._log.write("refused", intent=intent, code=_code_of(answer))  # the checker looks for a row
        else:
            # The connection may have been cut between the COMMIT and the reply to it.
            self._log.write("unknown", intent=intent)

    def _call(self, method: str, content: bytes = b"") -> Answer | None:
        before = self._state
        head = f"{method} {self._target} HTTP/1.1\r\n{self._head}"
        if content:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        try:
            answer = send(self._port, head.encode() + b"\r\n" + content)
        except OSError as error:
            answer, problem = None, f"no answer: {error}"
        state = before[0] if self._state is before else CHANGING
        if answer is not None:
            problem = _problem_of(answer, ANSWERS[state][method])
        self.calls.append(Call(method=method, state=state, status=answer.status if answer else 0, problem=problem))
        return answer


def _code_of(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body).get("code", ""))
    except ValueError:
        return ""


def _problem_of(answer: Answer, allowed: set[int]) -> str:
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
        if body.keys() != {"error", "code", "requestId", "docs"}:
            return f"503 without the envelope: {body}"
    return ""
