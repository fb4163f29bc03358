"""Odd requests, sent byte for byte to a real server: JSON answers, and nothing has changed."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.factories import make_job, make_key, make_project
from tests.support.http_server import Answer, running_server, send
from tests.support.odd_requests import ALL, DELETE, MEANT, NOT_HTTP, USERS, Odd


@dataclass(frozen=True, kw_only=True)
class Site:
    """A server, and rows in its database."""

    port: int
    secret: str
    names: dict[str, Any]

    def ask(self, odd: Odd) -> Answer:
        """Send one request of the table."""
        headers = {"Host": "127.0.0.1", "Authorization": "Bearer {secret}", "Connection": "close"}
        if odd.body or odd.method == "POST":
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(odd.body))}
        lines = [f"{name}: {value}" for name, value in (headers | odd.headers).items() if value is not None]
        target = odd.target
        for name, value in self.names.items():
            target = target.replace(f"{{{name}}}", str(value))
        head = "\r\n".join([f"{odd.method} {target} HTTP/1.1", *lines, "", ""]).replace("{secret}", self.secret)
        return send(self.port, head.encode("latin-1") + odd.body)


@pytest.fixture
def site(transactional_db: None) -> Iterator[Site]:
    """A server, and rows that it sees, as they are committed."""
    ours, theirs = make_project(), make_project()
    secret = make_key(organization=ours.organization).secret
    names = {
        "ours": ours.key,
        "theirs": theirs.key,
        "job": make_job(project=ours).pk,
        "done": make_job(project=ours, status=Status.COMPLETED).pk,
        "foreign": make_job(project=theirs).pk,
    }
    with running_server() as port:
        yield Site(port=port, secret=secret, names=names)


def everything() -> list[Any]:
    """Return all rows that a request could have changed, but for the note of a key's last use."""
    return [list(model.objects.order_by("pk").values()) for model in (Job, JobEvent)]


def faults_of(answer: Answer, odd: Odd) -> list[str]:
    """Say what is wrong with an answer."""
    faults = [] if answer.status == odd.status else [f"status is {answer.status}"]
    if answer.headers.get("content-type") != "application/json" or b"<html" in answer.body.lower():
        faults.append(f"is {answer.headers.get('content-type')}")
    if not answer.headers.get("x-request-id", "").isalnum():
        faults.append(f"X-Request-Id is {answer.headers.get('x-request-id')}")
    if ("www-authenticate" in answer.headers) != (odd.status == 401):
        faults.append("WWW-Authenticate belongs to a 401")
    if ("allow" in answer.headers) != (odd.status == 405):
        faults.append("Allow belongs to a 405")
    if odd.method != "HEAD" and not is_well_formed(answer):
        faults.append("has other members")
    return faults


def is_well_formed(answer: Answer) -> bool:
    """Whether the members are those of a success, or of an error, with the field where one is to blame."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return False
    if answer.status == 200:
        return list(body) == ["data"]
    is_of_a_field = body.get("code") in ("invalid_field", "unknown_action")
    members = ["error", "code", "requestId", "docs", *(["details"] if is_of_a_field else [])]
    return list(body) == members and (not is_of_a_field or body["error"].startswith(f"{body['details']['field']}: "))


def test_odd_requests_get_plain_answers_and_change_nothing(site: Site):
    assert len(ALL) >= 250
    wrong = []
    before = everything()

    for odd in ALL:
        answer = site.ask(odd)
        faults = faults_of(answer, odd)
        if everything() != before:
            faults.append("something has changed")
            before = everything()
        if faults:
            wrong.append(f"{odd}: {'; '.join(faults)}: {answer.body[:200]!r}")

    assert not wrong, "\n".join(wrong)


def test_an_odd_spelling_erases_the_user_who_was_meant(site: Site):
    wrong = []

    for spelled, meant in MEANT.items():
        answer = site.ask(Odd(method=DELETE, target=USERS + spelled, status=200))
        created = list(Job.objects.filter(action="delete_user_data").values_list("reference_id", flat=True))
        if (answer.status, created) != ((200, [meant]) if meant else (400, [])):
            wrong.append(f"{spelled}: {answer.status} and {created}")
        JobEvent.objects.all().delete()
        Job.objects.filter(action="delete_user_data").delete()

    assert not wrong, "\n".join(wrong)


def test_what_is_no_http_is_refused_and_the_server_goes_on(site: Site):
    before = everything()

    for request in NOT_HTTP:
        with suppress(ConnectionError):
            assert 400 <= send(site.port, request).status < 500

    assert site.ask(ALL[0]).status == 200
    assert everything() == before
