"""Odd requests, sent byte for byte to a real server: refused in our form, and nothing has changed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from django.apps import apps
from django.core.management import call_command

from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.api.odd_requests import ALL, DELETE, MEANT, NOT_HTTP, USERS, Odd
from tests.api.server import Answer, running_server, send
from tests.factories import make_job, make_key, make_project

WITHOUT_BODY: Final = ("HEAD",)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A server, and what stands in its database."""

    port: int
    secret: str
    names: dict[str, Any]

    def ask(self, odd: Odd) -> Answer:
        """Send one request of the table."""
        headers: dict[str, str | None] = {
            "Host": "127.0.0.1",
            "Authorization": "Bearer {secret}",
            "Connection": "close",
            **({"Content-Type": "application/json"} if odd.body or odd.method == "POST" else {}),
            **({"Content-Length": str(len(odd.body))} if odd.body or odd.method == "POST" else {}),
            **odd.headers,
        }
        lines = [
            f"{name}: {value.replace('{secret}', self.secret)}" for name, value in headers.items() if value is not None
        ]
        target = odd.target
        for name, value in self.names.items():
            target = target.replace(f"{{{name}}}", str(value))
        # Arabic digits and the like as UTF-8, the bytes that a row spells out as they are.
        raw_target = b"".join(sign.encode("latin-1" if ord(sign) < 256 else "utf-8") for sign in target)
        head = "\r\n".join(lines).encode("latin-1")
        return send(
            self.port, odd.method.encode() + b" " + raw_target + b" HTTP/1.1\r\n" + head + b"\r\n\r\n" + odd.body
        )


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: Any) -> Iterator[Site]:
    """One server for the whole table; what it stands on is committed, and removed at the end."""
    with django_db_blocker.unblock():
        ours, theirs = make_project(), make_project()
        secret = make_key(organization=ours.organization).secret
        names = {
            "ours": ours.key,
            "theirs": theirs.key,
            "job": make_job(project=ours).pk,
            "done": make_job(project=ours, status=Status.COMPLETED).pk,
            "foreign": make_job(project=theirs).pk,
        }
        try:
            with running_server() as port:
                yield Site(port=port, secret=secret, names=names)
        finally:
            call_command("flush", verbosity=0, interactive=False)


def everything() -> list[Any]:
    """Return all rows that a request could have changed, but for the note of a key's last use."""
    return [list(model.objects.order_by("pk").values()) for model in (Job, JobEvent, apps.get_model("jobsite.Session"))]


def test_the_table_is_long():
    assert len(ALL) >= 120


@pytest.mark.parametrize("odd", ALL, ids=str)
def test_an_odd_request_gets_a_plain_answer_and_changes_nothing(site: Site, odd: Odd):
    before = everything()

    answer = site.ask(odd)

    assert answer.status == odd.status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].replace("-", "").isalnum()
    if odd.method not in WITHOUT_BODY:
        told = json.loads(answer.body)
        assert list(told) == (["data"] if odd.status == 200 else ["error", "code", "requestId"])
        assert told.get("requestId", answer.headers["x-request-id"]) == answer.headers["x-request-id"]
        assert b"<html" not in answer.body.lower()
    assert ("www-authenticate" in answer.headers) == (odd.status == 401)
    assert ("allow" in answer.headers) == (odd.status == 405)
    assert everything() == before


@pytest.mark.parametrize(("spelled", "meant"), MEANT.items())
def test_an_erasure_is_for_the_user_who_was_meant(site: Site, spelled: str, meant: str | None):
    before = everything()

    answer = site.ask(Odd(method=DELETE, target=USERS + spelled, status=200))

    created = list(Job.objects.filter(action="delete_user_data").values_list("reference_id", flat=True))
    assert (answer.status, created) == ((200, [meant]) if meant else (400, []))
    Job.objects.filter(action="delete_user_data").delete()
    assert everything() == before


@pytest.mark.parametrize("request_", NOT_HTTP, ids=repr)
def test_what_is_no_http_is_refused_by_the_server(site: Site, request_: bytes):
    before = everything()

    try:
        assert 400 <= send(site.port, request_).status < 500
    except ConnectionError:
        pass

    assert everything() == before


def test_the_site_still_serves(site: Site):
    odd = next(row for row in ALL if row.status == 200)

    assert site.ask(replace(odd, headers={})).status == 200
