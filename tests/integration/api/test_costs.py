"""No request of the API and no job costs a tenth more than the figures in ``costs/``, one file for each database."""

import io
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import django
import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test import override_settings

from jobs.testing import run_due_jobs
from tests.support.api_client import Api
from tests.support.costs import Cost, cost_of, python_calls, risen
from tests.support.factories import make_job
from tests.support.interpreters import PAIRS

FIGURES: Final = Path(__file__).with_name("costs") / f"{connection.vendor}.json"
# With this variable set, the figures are written anew instead.
WRITE: Final = "WRITE_COSTS"
# Another Python, and another Django, make other calls for the same work; statements are the same on all. The figures
# of calls are those of the pair that `make` and .ci/run use.
PAIR: Final = PAIRS[0]
THIS_PAIR: Final = (f"{sys.version_info.major}.{sys.version_info.minor}", django.VERSION[:2])
KINDS: Final = ("statements", "calls") if (PAIR.python, (5, 2)) == THIS_PAIR else ("statements",)
ADVICE: Final = f"""
Find out first which calls or statements are new: what each request does, all callers pay for.
If that is worth it, write the figures anew, and say in the commit what the cost buys:

    {WRITE}=1 make test ARGS="-n 1 {{test}}"

Do not do so only to make this test pass: small rises would add up, and nobody would decide on the sum.
"""
FAR_OFF: Final = datetime(3000, 1, 1, tzinfo=UTC)


class Calls:
    """Prepares requests to the whole reference host, without a server; an answer must have the status that is named."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.application = get_wsgi_application()
        self.root = f"/public/{api.project.key}/jobs"

    def prepare(self, method: str, path: str, *, status: int = 200, body: Any = None) -> Callable[[], object]:
        path, _, query = path.partition("?")
        raw = b"" if body is None else json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": method, "SERVER_NAME": "testserver", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": "", "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "testserver", "HTTP_AUTHORIZATION": f"Bearer {self.api.secret}",
            "CONTENT_TYPE": "application/json" if raw else "", "CONTENT_LENGTH": str(len(raw)),
            "wsgi.input": io.BytesIO(raw), "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http", "wsgi.version": (1, 0),
        }  # fmt: skip

        def ask() -> None:
            started: list[str] = []
            answer: Any = self.application(environ, lambda line, *_: started.append(line))
            content = b"".join(answer)
            answer.close()
            assert started[0].startswith(str(status)), (started, content)

        return ask


def paths(api: Api) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return what is measured: by name, what prepares one more run of it."""
    calls, number = Calls(api), count()

    def waiting_job() -> int:
        return make_job(project=api.project, start_at=FAR_OFF, due_at=FAR_OFF).pk

    for _ in range(60):
        waiting_job()

    def new_job() -> Any:
        start_at = int(FAR_OFF.timestamp() * 1000)
        return {"action": "touch_publicly", "referenceId": f"user-{next(number)}", "startAt": start_at}

    def due_job() -> Callable[[], object]:
        make_job(project=api.project)
        return run_due_jobs

    return {
        "list of 50": lambda: calls.prepare("GET", f"{calls.root}?limit=50&page=1"),
        "one job": lambda: calls.prepare("GET", f"{calls.root}/{waiting_job()}"),
        "cancel": lambda: calls.prepare("DELETE", f"{calls.root}/{waiting_job()}"),
        "create": lambda: calls.prepare("POST", calls.root, status=201, body=new_job()),
        "me": lambda: calls.prepare("GET", "/public/me"),
        "a job from claim to end": due_job,
    }


@pytest.mark.django_db(transaction=True)
@override_settings(ALLOWED_HOSTS=["testserver"])
def test_no_hot_path_costs_a_tenth_more_than_is_committed(
    transactional_db: None, api: Api, request: pytest.FixtureRequest
):
    measured = {name: cost_of(prepare) for name, prepare in paths(api).items()}
    if os.environ.get(WRITE):
        assert len(KINDS) == 2, f"figures are those of {PAIR}"
        FIGURES.write_text(json.dumps(measured, indent=2) + "\n")

    committed: dict[str, Cost] = json.loads(FIGURES.read_text())

    wrong = risen(measured, committed, KINDS)
    assert not wrong, "\n".join([*wrong, ADVICE.format(test=request.node.path.relative_to(request.config.rootpath))])
    assert committed.keys() == measured.keys()


def test_calls_are_counted_alike_each_time_and_one_more_is_seen():
    def work(number: int) -> None:
        for _ in range(number):
            "".join(character for character in "ab")

    assert python_calls(lambda: work(10)) == python_calls(lambda: work(10)) == 1 + 1 + 10 * 3
    assert python_calls(lambda: work(11)) == 1 + 1 + 11 * 3


def test_a_rise_above_a_tenth_is_told_and_one_of_a_tenth_is_not():
    before = {"cancel": {"statements": 3, "calls": 1000}}

    assert risen({"cancel": {"statements": 3, "calls": 1100}}, before, KINDS) == []
    assert risen({"cancel": {"statements": 4, "calls": 1101}}, before, ("statements", "calls")) == [
        "cancel: 4 statements, +33% to the 3 that are committed",
        "cancel: 1,101 calls, +10% to the 1,000 that are committed",
    ]
    assert risen({"create": {"statements": 1, "calls": 1}}, before, KINDS) == ["create has no figures"]
