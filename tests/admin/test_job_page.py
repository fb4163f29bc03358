"""A job's page: all of it to be read, nothing to be changed, and nothing that others wrote is more than text."""

from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.admin import jobs as job_pages
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.admin.people import client_of, make_staff, text_of, url, with_permissions
from tests.factories import LONG_AGO, make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db

SCRIPT: Final = "<script>alert(1)</script>"
RECEIPT: Final = {
    "stores": {"events": {"found": 12345, "done": 12345, "left": 0}, "sessions": {"found": 40, "done": 30, "left": 10}},
    "verified_at": "2025-01-01T12:34:56.789+00:00",
}


@pytest.fixture
def client() -> Client:
    return with_permissions("view_job")


def page_of(client: Client, job: Job) -> str:
    response = client.get(url("job_change", job.pk))
    assert response.status_code == 200
    return text_of(response)


def add_event(job: Job, **what_matters: Any) -> JobEvent:
    columns = {"at": LONG_AGO, "what": "failed", "to_status": "failed", "attempt": 1, "actor": "worker:host:1:aaaa"}
    return JobEvent.objects.create(job=job, **{**columns, **what_matters})


def test_the_page_shows_the_job(client: Client):
    job = make_job(
        status=Status.FAILED,
        project=make_project(name="Shop"),
        reference_id="shekar@example.com",
        description="Delete user sessions",
        errors="It went wrong.",
        parameters={"note": "für Grüße"},
        due_at=LONG_AGO + timedelta(minutes=5),
        failures=3,
    )

    html = page_of(client, job)

    for expected in ("✗", "Shop", "shekar@example.com", "Delete user sessions", "It went wrong.", "host:1:aaaa"):
        assert expected in html
    assert "2025-01-01 12:05:00 UTC" in html
    assert "&quot;note&quot;: &quot;für Grüße&quot;" in html


@pytest.mark.parametrize("status", Status)
def test_the_page_has_no_fields_to_fill_in(client: Client, status: Status):
    html = page_of(client, make_job(status=status))

    assert "<select" not in html
    assert "<textarea" not in html
    assert 'name="_save"' not in html


def test_progress_is_told_in_numbers(client: Client):
    known = page_of(client, make_running_job(progress_done=1200, progress_total=5000))
    unknown = page_of(client, make_running_job(progress_done=1200))
    nothing = page_of(client, make_running_job(progress_total=0))

    assert "1,200 of 5,000 (24 %)" in known
    assert "1,200 done" in unknown
    assert "0 of 0" in nothing


def test_progress_beyond_what_was_expected_is_no_more_than_all(client: Client):
    html = page_of(client, make_running_job(progress_done=7, progress_total=5))

    assert "7 of 5 (100 %)" in html


def test_the_receipt_is_a_table(client: Client):
    html = page_of(client, make_job(status=Status.COMPLETED, receipt=RECEIPT))

    assert '<tr><th scope="row"><bdi>events</bdi></th><td>12,345</td><td>12,345</td><td>0</td></tr>' in html
    assert '<tr><th scope="row"><bdi>sessions</bdi></th><td>40</td><td>30</td><td>10</td></tr>' in html
    assert "2025-01-01 12:34:56 UTC" in html


def test_the_timeline_tells_who_did_what(client: Client):
    job = make_job(status=Status.CANCELLED)
    add_event(job, what="scheduled", to_status="scheduled", attempt=0, actor="key:jsk_3fG7a2Qx")
    add_event(job, what="cancelled", to_status="cancelled", actor="staff:7", request_id="r-123", note="they asked")

    events = client.get(url("job_change", job.pk)).context["events"]

    assert [(event["actor"], event["request_id"], event["note"]) for event in events] == [
        ("staff:7", "r-123", "they asked"),
        ("key:jsk_3fG7a2Qx", "", ""),
    ]


def test_the_timeline_is_bounded_and_says_so(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job_pages, "EVENTS_SHOWN", 3)
    job = make_job()
    events = [add_event(job, note=f"note {number}") for number in range(3)]

    complete = page_of(client, job)
    add_event(job, note="the newest")
    cut = page_of(client, job)

    assert "there are older ones" not in complete
    assert "The newest 3 events; there are older ones." in cut
    assert "the newest" in cut
    assert events[0].note not in cut


def test_200_events_are_shown():
    assert job_pages.EVENTS_SHOWN == 200


def test_a_traceback_is_not_even_read_without_its_permission(client: Client):
    job = make_job(status=Status.FAILED)
    add_event(job, detail="Traceback: a@example.com")

    with CaptureQueriesContext(connection) as queries:
        html = page_of(client, job)

    assert "Traceback" not in html
    assert not any('"detail"' in query["sql"] for query in queries)


def test_a_traceback_is_folded_for_those_who_may_see_it():
    job = make_job(status=Status.FAILED)
    add_event(job, detail="Traceback: a@example.com")

    html = page_of(with_permissions("view_job", "view_job_detail"), job)

    assert (
        '<details><summary>Traceback</summary><pre class="jobs-pre"><bdi>Traceback: a@example.com</bdi></pre>' in html
    )


def test_what_others_wrote_stays_text():
    job = make_job(
        status=Status.FAILED,
        reference_id=SCRIPT,
        description=SCRIPT,
        errors=SCRIPT,
        worker=SCRIPT,
        parameters={SCRIPT: SCRIPT},
        receipt={"stores": {SCRIPT: {"found": 1, "done": 1, "left": 0}}},
        project=make_project(name=SCRIPT),
    )
    add_event(job, note=SCRIPT, detail=SCRIPT, actor=SCRIPT, request_id=SCRIPT)
    client = client_of(make_staff(superuser=True))

    html = page_of(client, job) + text_of(client.get(url("job_changelist")))

    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") >= 12


def test_a_retry_names_the_job_it_tries_again(client: Client):
    first = make_job(status=Status.FAILED)

    html = page_of(client, make_job(retry_of=first))

    assert f'<a href="{url("job_change", first.pk)}">{first.pk}</a>' in html


@pytest.mark.parametrize("job_id", ["0", "9223372036854775808", "1" * 100, "abc", "_00"])
def test_a_job_that_cannot_exist_is_no_error(client: Client, job_id: str):
    response = client.get(url("job_change", job_id))

    assert response.status_code == 302


def test_the_page_costs_the_same_however_many_events_there_are(client: Client):
    job = make_job()
    page_of(client, job)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            page_of(client, job)
        return len(queries)

    few = cost()
    for _ in range(9):
        add_event(job)

    # The session, the user, two sorts of permissions, the job, its project, its events.
    assert cost() == few <= 7
