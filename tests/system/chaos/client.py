"""A client of the REST API: creates jobs and cancels some; it logs each call before it is made and when answered.

With ``CHAOS_RETRIES`` in the environment, it repeats a call whose outcome it does not know, a create
with the same ``Idempotency-Key``, until it knows. With ``CHAOS_LATE_SECONDS`` it logs an answer that took longer.

It runs as ``django_program tests.system.chaos.client LOG SEED TARGET``, with port and keys of the API in
the environment, until it is killed.
"""

import http.client
import json
import os
import random
import sys
import time
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from django.db import DatabaseError, connection

from jobs import get_project_model
from jobs.models import Job
from tests.system.chaos.call_log import CallLog
from tests.system.chaos.models import Effect, Item

PORT: Final = "CHAOS_PORT"
KEYS: Final = "CHAOS_KEYS"
OFFERED_ACTIONS: Final = "CHAOS_ACTIONS"  # a comma list, instead of the usual ones
PACE_SECONDS: Final = 0.02
ANSWER_SECONDS: Final = 20
SHARED_REFERENCES: Final = 4
ACTIONS: Final = ("consume_verified", "consume_plain", "consume_once", "erase_items")
CANCELS: Final = 0.3
NOTHING_CHANGED: Final = ("busy", "unavailable")  # these two codes of a 503 promise it
RETRIES: Final = "CHAOS_RETRIES"
LATE: Final = "CHAOS_LATE_SECONDS"
RETRY_SECONDS: Final = 0.1
ONCE: Final = "once"  # instead of a seed: one call, the same for all


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer; ``status`` 0: none came, or it was cut off."""

    status: int
    body: dict[str, Any]
    repeats: int = 0

    @property
    def is_repeated_cancel(self) -> bool:
        """Whether a repeated cancel was told that the job is cancelled: by an earlier one of this caller."""
        return self.repeats > 0 and self.status == 400 and self.body["error"].endswith(" cancelled")

    @property
    def is_unknown(self) -> bool:
        """Whether the call may have changed something or not."""
        return self.status == 0 or (self.status >= 500 and self.body["code"] not in NOTHING_CHANGED)


class Malformed(Exception):
    """An answer came whole, but is neither a job nor an error in the envelope."""


class Api:
    """Calls the API, each time over a new connection, with the key of the project's organization."""

    def __init__(self, *, port: int, keys: dict[str, str]) -> None:
        self._port = port
        self._keys = keys

    def call(
        self, method: str, project: Any, path: str, body: dict[str, Any] | None = None, *, key: str = ""
    ) -> Answer:
        """Make one call; an answer that is not as the API's answers are is :class:`Malformed`."""
        headers = {"Authorization": f"Bearer {self._keys[project.key]}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        sent = None if body is None else json.dumps(body)
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            line.request(method, f"/public/{project.key}/jobs{path}", body=sent, headers=headers)
            response = line.getresponse()
            received = response.read()
        except (OSError, http.client.HTTPException):
            return Answer(status=0, body={})
        finally:
            line.close()
        try:
            return read(response.status, received)
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed(f"{response.status} {received!r}") from error


def read(status: int, received: bytes) -> Answer:
    """Parse an answer; it must have what its status asks for: a job, or code, sentence and request id."""
    body = json.loads(received)
    for member in ("code", "error", "requestId") if status >= 400 else ("jobId", "status"):
        (body if status >= 400 else body["data"])[member]
    return Answer(status=status, body=body)


class Client:
    """Keeps about ``target`` jobs active, of all actions, in all projects."""

    def __init__(self, log: Path, seed: str, target: int) -> None:
        self._api = Api(port=int(os.environ[PORT]), keys=json.loads(os.environ[KEYS]))
        self._log = CallLog(log)
        self._random = random.Random(seed)
        self._target = target
        self._retries = int(os.environ.get(RETRIES, "0"))
        self._late_seconds = float(os.environ.get(LATE, "inf"))
        self._actions = tuple(filter(None, os.environ.get(OFFERED_ACTIONS, "").split(","))) or ACTIONS
        self.projects = list(get_project_model()._default_manager.all())
        self._mine: list[tuple[int, str, Any]] = []

    def run(self) -> None:
        """Call until killed, also when the database is away."""
        while True:
            try:
                self._call()
            except DatabaseError:
                connection.close()
                time.sleep(PACE_SECONDS)

    def _call(self) -> None:
        if Job.objects.active().count() >= self._target:
            time.sleep(PACE_SECONDS)
            return
        self.create(self._random.choice(self._actions), self._random.choice(self.projects), self._random.randint(5, 40))
        if self._mine and self._random.random() < CANCELS:
            self.cancel(*self._mine.pop(self._random.randrange(len(self._mine))))

    def create(self, action: str, project: Any, items: int) -> None:
        """Insert items, and ask for a job that is to remove them."""
        intent = uuid4().hex
        shared = action == "consume_once"
        reference = f"shared-{project.pk}-{self._random.randrange(SHARED_REFERENCES)}" if shared else intent
        Item.objects.bulk_create([Item(owner=reference) for _ in range(items)])
        # The description carries the intent, so that a row without one, or two of one, are found.
        wanted = {"action": action, "referenceId": reference, "description": intent}
        self._log.write("create", intent=intent, items=items)
        answer = self._ask("POST", project, "", wanted, intent=intent)
        if answer.status == 201:
            job = answer.body["data"]["jobId"]
            self._log.write("created", intent=intent, job=job)
            self._mine.append((job, reference, project))
            del self._mine[:-8]
        elif not answer.is_unknown:
            self._log.write("refused", intent=intent, code=answer.body["code"])

    def cancel(self, job: int, reference: str, project: Any) -> None:
        """Cancel a job, once; log what it had done when the answer came."""
        self._log.write("cancel", job=job)
        answer = self._ask("DELETE", project, f"/{job}", job=job)
        if answer.status == 200:
            self._log.write("cancelled", job=job)
            effects = Effect.objects.filter(job_id=job).count()
            left = Item.objects.filter(owner=reference).count()
            self._log.write("seen_after_cancel", job=job, effects=effects, left=left)
        elif answer.is_repeated_cancel:
            self._log.write("cancelled", job=job)  # by the call before, whose answer was lost
        elif answer.status and answer.status < 500:
            # "… has already been completed": the contract tells the status nowhere else.
            told = answer.body["error"].rpartition(" ")[2]
            self._log.write("cancel_refused", job=job, status=told, code=answer.body["code"])
        elif not answer.is_unknown:
            self._log.write("cancel_busy", job=job, code=answer.body["code"])

    def _ask(self, method: str, project: Any, path: str, body: Any = None, **what: Any) -> Answer:
        """Make a call, again if its outcome is unknown and it may be repeated; log it if it stays unknown."""
        key = what.get("intent", "") if self._retries else ""
        was_unknown = False
        for repeats in count():
            answer = self._ask_once(method, project, path, body, key, **what)
            if answer.status not in (0, 503) or repeats == self._retries:
                break
            was_unknown |= answer.is_unknown
            time.sleep(RETRY_SECONDS)
        if was_unknown and answer.status == 503:
            answer = Answer(status=0, body={})  # the last call changed nothing; one before may have
        if answer.is_unknown:
            self._log.write("unknown", **what, status=answer.status, code=answer.body.get("code", ""))
        return replace(answer, repeats=repeats)

    def _ask_once(self, method: str, project: Any, path: str, body: Any, key: str, **what: Any) -> Answer:
        """Make a call; log an answer that is late, a server's error, or none of the API's."""
        begun = time.monotonic()
        try:
            answer = self._api.call(method, project, path, body, key=key)
        except Malformed as error:
            self._log.write("malformed", **what, text=str(error))
            return Answer(status=0, body={})
        if (seconds := time.monotonic() - begun) > self._late_seconds:
            self._log.write("late", **what, method=method, seconds=seconds)
        if answer.status == 500:
            self._log.write("server_error", **what, text=f"500 to {method}: {answer.body}")
        return answer


def main() -> None:
    log, seed, target = sys.argv[1:]
    client = Client(Path(log), seed, int(target))
    if seed == ONCE:
        client.create("consume_once", client.projects[0], items=4)
    else:
        client.run()


if __name__ == "__main__":
    main()
