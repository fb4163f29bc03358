"""Odd requests to the site behind gunicorn, uvicorn and granian: JSON, no 5xx, no hanging, and nothing is changed."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pytest

from jobs.models import ApiKey, Job, JobEvent
from jobs.status import Status
from tests.support.factories import make_job, make_key, make_project
from tests.support.http_server import Answer
from tests.support.odd import ROWS
from tests.support.odd.caller import MOST_SECONDS, Heard, call, call_again_while_busy
from tests.support.odd.row import ME, Row, head
from tests.support.site_servers import SERVERS, open_files, served_by

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc"),
]

# What a server answers itself, before the site sees the request, and why.
NO_HTTP: Final = "it is no HTTP, or could be read in two ways"
LONG: Final = {414: "the target is too long", 431: "a header is too long, or there are too many"}
OWN: Final[dict[str, dict[int, str]]] = {
    "gunicorn": {400: NO_HTTP, **LONG, 417: "an unknown Expect", 501: "an unknown transfer coding (RFC 9112 §6.1)"},
    "uvicorn": {400: NO_HTTP},
    "granian": {400: NO_HTTP, **LONG},
}
CALLERS: Final = 4
PLAIN: Final = Row(what="plain", sent=head(b"GET", ME), statuses={200})
# The pages for integrators, the only HTML below /public.
PAGES: Final = (b"/public/docs ", b"/public/docs/reference ")
# A connection for each thread, and what the server itself needs.
MOST_NEW_FILES: Final = 30
# Longer than uvicorn keeps an idle connection by default, 5 s, and gunicorn, 2 s.
IDLE_SECONDS: Final = 5.5


def probe_twice(port: int) -> list[int]:
    """Ask twice on one connection that is idle in between; return the statuses."""
    statuses = []
    with closing(HTTPConnection("127.0.0.1", port, timeout=MOST_SECONDS)) as connection:
        connection.connect()
        connection.auto_open = 0
        for pause in (0, IDLE_SECONDS):
            time.sleep(pause)
            connection.request("GET", "/livez")
            with connection.getresponse() as answer:
                answer.read()
            statuses.append(answer.status)
    return statuses


def counts() -> Counter[str]:
    return Counter({model.__name__: model._default_manager.count() for model in (Job, JobEvent, ApiKey)})


def is_of_the_site(answer: Answer) -> bool:
    return "referrer-policy" in answer.headers


def faults_of(row: Row, heard: Heard, own: Mapping[int, str]) -> list[str]:
    """Say what is wrong with what came back."""
    faults = ["the connection stays open"] if heard.is_hanging else []
    if heard.rest:
        faults.append(f"ends with {heard.rest[:60]!r}")
    if len(heard.answers) != row.answers and not (row.may_close and not heard.answers):
        faults.append(f"has {len(heard.answers)} answers")
    for answer in heard.answers:
        if is_of_the_site(answer):
            faults += faults_of_ours(row, answer)
        elif row.is_http or answer.status not in own:
            faults.append(f"the server itself answers {answer.status} {answer.body[:60]!r}")
    return faults


def faults_of_ours(row: Row, answer: Answer) -> list[str]:
    faults = [] if answer.status in row.statuses else [f"status is {answer.status}"]
    if row.without in answer.body:
        faults.append(f"has {row.without!r}")
    if not row.in_api or (row.sent.startswith((b"GET ", b"HEAD ")) and any(page in row.sent for page in PAGES)):
        return faults
    if answer.headers.get("content-type") != "application/json" or "x-request-id" not in answer.headers:
        faults.append(f"is {answer.headers.get('content-type')}")
    elif answer.body and not is_well_formed(answer):
        faults.append(f"has other members: {answer.body[:100]!r}")
    return faults


def is_well_formed(answer: Answer) -> bool:
    """Whether the members are those of a success or of an error."""
    members = list(json.loads(answer.body))
    if answer.status < 400:
        return members == ["data"] or members[0] == "openapi"
    return members in (["error", "code", "requestId", "docs"], ["error", "code", "requestId", "docs", "details"])


def make_names() -> dict[str, Any]:
    """Make two organizations with a project each; return the names that the table uses."""
    ours, theirs = make_project(), make_project()
    return {
        "secret": make_key(organization=ours.organization).secret,
        "ours": ours.key,
        "theirs": theirs.key,
        "done": make_job(project=ours, status=Status.COMPLETED).pk,
    }


@pytest.mark.parametrize("server", SERVERS)
def test_odd_requests_get_plain_answers_and_change_nothing(server: str, tmp_path: Path):
    names, wrong, own = make_names(), [], Counter[int]()
    expected = counts()

    with ExitStack() as stack:
        port, process = stack.enter_context(served_by(server, tmp_path))
        callers = stack.enter_context(ThreadPoolExecutor(CALLERS + 1))
        on_one_connection = callers.submit(probe_twice, port)
        call(port, PLAIN, names)
        files = open_files(process)
        for what, group in groupby(ROWS, key=lambda row: row.what):
            rows = list(group)
            for row, heard in zip(
                rows, callers.map(partial(call_again_while_busy, port, names=names), rows), strict=True
            ):
                own.update(answer.status for answer in heard.answers if not is_of_the_site(answer))
                wrong += [f"{row}: {fault}" for fault in faults_of(row, heard, OWN[server])]
                expected.update({"Job": row.creates, "JobEvent": row.creates})
            if counts() != expected:
                wrong.append(f"{what}: there are {counts()}, not {expected}")
                expected = counts()
        last = call(port, PLAIN, names).answers[0].status
        more_files = open_files(process) - files

    assert not wrong, "\n".join(wrong)
    assert own.keys() == OWN[server].keys()
    assert last == 200
    assert on_one_connection.result() == [200, 200]
    assert more_files <= MOST_NEW_FILES
    assert "Traceback" not in process.log
