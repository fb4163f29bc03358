"""The page of a job: its contents, escaped and masked, without fields to edit."""

from datetime import timedelta
from typing import Final

import pytest
from django.test import Client

from jobs.models import Job
from jobs.status import Status
from tests.support.admin_client import (
    add_event,
    client_of,
    make_staff,
    page_of,
    queries_of,
    text_of,
    url,
    with_permissions,
)
from tests.support.factories import LONG_AGO, make_job, make_organization, make_project, make_running_job

STAFF_MAY: Final = ("view_job", "view_reference")

SCRIPT: Final = "<script>alert(1)</script>"
ANA: Final = "ana@example.com"
RECEIPT: Final = {
    "stores": {"events": {"found": 12345, "done": 12345, "left": 0}, "sessions": {"found": 40, "done": 30, "left": 10}},
    "verified_at": "2025-01-01T12:34:56.789+00:00",
}


def test_the_page_shows_the_job(client: Client):
    project = make_project(name="Shop", organization=make_organization(name="Acme"))
    texts = {"reference_id": "shekar@example.com", "description": "Delete user sessions", "errors": "It went wrong."}
    due_at = LONG_AGO + timedelta(minutes=5)
    job = make_job(status=Status.FAILED, project=project, parameters={"note": "für Grüße"}, due_at=due_at, **texts)

    html = page_of(client, job)

    values = {"✗", "Shop", "Acme", *texts.values(), "host:1:aaaa", "2025-01-01 12:05:00 UTC"}
    expected = {*values, "&quot;note&quot;: &quot;für Grüße&quot;"}
    assert {text for text in expected if text in html} == expected


@pytest.mark.parametrize("status", Status)
def test_the_page_has_no_fields_to_fill_in(client: Client, status: Status):
    html = page_of(client, make_job(status=status))

    assert not [field for field in ("<select", "<textarea", 'name="_save"') if field in html]


@pytest.mark.parametrize(
    ("done", "total", "told"),
    [
        (1200, 5000, "1,200 of 5,000 (24\N{NO-BREAK SPACE}%)"),
        (1200, None, "1,200 done"),
        (0, 0, "0 of 0"),
        (7, 5, "7 of 5 (100\N{NO-BREAK SPACE}%)"),
    ],
)
def test_progress_is_shown_in_numbers(client: Client, done: int, total: int | None, told: str):
    assert told in page_of(client, make_running_job(progress_done=done, progress_total=total))


def test_the_receipt_is_a_table(client: Client):
    html = page_of(client, make_job(status=Status.COMPLETED, receipt=RECEIPT))

    assert '<tr><th scope="row"><bdi>events</bdi></th><td>12,345</td><td>12,345</td><td>0</td></tr>' in html
    assert '<tr><th scope="row"><bdi>sessions</bdi></th><td>40</td><td>30</td><td>10</td></tr>' in html
    assert "Verified at" in html
    assert "2025-01-01 12:34:56 UTC" in html


@pytest.mark.parametrize("found_nothing", [True, False, None])
def test_a_job_that_found_nothing_by_its_erase_map_says_so(client: Client, found_nothing: bool | None):
    marks = {} if found_nothing is None else {"found_nothing": found_nothing}

    html = page_of(client, make_job(status=Status.COMPLETED, receipt={**RECEIPT, **marks}))

    assert ("Nothing was found for this reference." in html) is bool(found_nothing)


def test_a_held_job_shows_no_due_time(client: Client):
    assert "2031" not in page_of(client, make_job(due_at=LONG_AGO.replace(year=2031), held_at=LONG_AGO))


def test_texts_of_users_are_escaped():
    texts = dict.fromkeys(("reference_id", "description", "errors", "worker"), SCRIPT)
    receipt = {"stores": {SCRIPT: {"found": 1, "done": 1, "left": 0}}}
    project = make_project(name=SCRIPT)
    job = make_job(status=Status.FAILED, parameters={SCRIPT: SCRIPT}, receipt=receipt, project=project, **texts)
    make_job(reference_id=SCRIPT, action=SCRIPT, project=project)
    add_event(job, what="claimed", actor=f"worker:{SCRIPT}", to_status="running")
    add_event(job, from_status="running", note=SCRIPT, detail=SCRIPT, actor=SCRIPT, request_id=SCRIPT)
    client = client_of(make_staff(superuser=True))

    html = page_of(client, job) + text_of(client.get(url("job_changelist")))

    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") >= 12


@pytest.mark.parametrize("text", ["\u202egnp.exe", '=cmd()|"/c calc"!A1', "{% now %} {{ x }} {0} {at} %s %(id)s"])
def test_texts_of_users_are_isolated_and_unchanged(client: Client, text: str):
    job = make_job(status=Status.FAILED, reference_id=text, description=text, errors=text, worker=text)
    add_event(job, what="claimed", actor=f"worker:{text}", to_status="running")
    add_event(job, from_status="running", note=text, request_id=text)

    html = page_of(client, job)

    escaped = text.replace('"', "&quot;")
    assert html.count(escaped) >= 8
    assert html.count(escaped) == html.count(f"<bdi>{escaped}</bdi>") + html.count(f'"jobs-text">{escaped}</bdi>')


def test_without_its_permission_the_reference_is_nowhere_on_the_page():
    job = make_job(
        status=Status.FAILED,
        reference_id=ANA,
        description=f"Delete {ANA}",
        errors=f"{ANA.upper()} is locked",
        parameters={"who": ANA},
        receipt={"stores": {f"rows of {ANA}": {"found": 1, "done": 1, "left": 0}}},
    )
    make_job(reference_id=ANA, project=job.project)
    add_event(job, what="claimed", actor="worker:a", to_status="running")
    add_event(job, from_status="running", note=f"{ANA} is locked", request_id=ANA, detail=f"KeyError: {ANA}")

    masked = page_of(with_permissions("view_job", "view_job_detail"), job)
    full = page_of(with_permissions("view_job", "view_job_detail", "view_reference"), job)

    assert "ana@" not in masked.lower()
    for expected in (
        "a•••••</bdi>", "hidden: you may not see references</bdi>", "Failed at", "a••••• is locked", "KeyError: a•••••",
        "you may not see references", "rows of a•••••",
    ):  # fmt: skip
        assert expected in masked
    assert full.lower().count(ANA) >= 9
    assert "•••••" not in full


def test_a_reference_cut_at_the_end_of_a_note_is_masked():
    reference = "abcdefgh" * 32
    for length in range(740, 1012, 16):
        job = make_job(reference_id=reference)
        add_event(job, note="x" * (length - 256) + reference * 3)

        html = page_of(with_permissions("view_job"), job)

        assert "abcdefgh" not in html


def test_neither_title_nor_links_nor_history_name_the_reference(client: Client):
    job = make_job(reference_id=ANA, description=f"Delete {ANA}")
    make_job(reference_id=ANA)
    came_from = f"?_changelist_filters=q%3D{ANA.replace('@', '%2540')}%26status%3Dfailed"

    html = text_of(client.get(url("job_change", job.pk) + came_from))
    history = text_of(client.get(url("job_history", job.pk)))

    assert ANA not in html[: html.index("</title>")]
    assert not [part for part in html.split('href="')[1:] if "ana" in part[: part.index('"')].lower()]
    assert "status%3Dfailed" in html
    assert "ana" not in history


def test_the_newest_ten_other_jobs_for_the_reference_are_listed_and_none_of_a_redacted_job(client: Client):
    job, redacted = make_job(reference_id=ANA), make_job(reference_id="", status=Status.COMPLETED)
    related = [make_job(reference_id=ANA, action=f"act_{number}") for number in range(11)]
    stranger = make_job(reference_id="ana@example.co")
    make_job(reference_id="", status=Status.COMPLETED)

    html = page_of(client, job)

    listed = [other.pk for other in [*related, stranger] if f'<a href="{url("job_change", other.pk)}"' in html]
    assert listed == [other.pk for other in related[1:]]
    assert f'href="{url("job_changelist")}?same_as={job.pk}"' in html
    assert "Other jobs" in html
    assert "Other jobs" not in page_of(client, redacted)


def test_a_retry_and_the_failed_job_link_to_each_other(client: Client):
    first = make_job(status=Status.FAILED, reference_id="a")
    second = make_job(retry_of=first, reference_id="b")

    assert f'<dt>Retry of</dt><dd><a href="{url("job_change", first.pk)}">job {first.pk}</a>' in page_of(client, second)
    assert f'<dt>Retried by</dt><dd><a href="{url("job_change", second.pk)}">' in page_of(client, first)


@pytest.mark.parametrize("job_id", ["0", "9223372036854775808", "1" * 100, "abc", "_00"])
def test_an_impossible_job_id_leads_to_the_index(client: Client, job_id: str):
    assert client.get(url("job_change", job_id)).status_code == 302


def make_long_history(job: Job, events: int) -> None:
    staff = make_staff()
    error = "It went wrong & worse. " * 43
    for number in range(events // 2):
        add_event(job, what="claimed", to_status="running", attempt=number)
        actor = f"staff:{staff.pk}" if number % 2 else "worker:host:1:aaaa"
        add_event(
            job, what="retrying", from_status="running", to_status="scheduled", attempt=number, actor=actor,
            note=error, detail="Trace\n" * 3_000, request_id="8d9e6c1e-1f0f-4f5e-9a53-0d2f7cfb0f52",
        )  # fmt: skip


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.FAILED])
def test_a_page_with_a_long_history_takes_few_queries_and_is_small(status: Status):
    client = with_permissions("view_job", "view_reference", "view_job_detail", "cancel_job", "hold_job", "retry_job")
    error = "Broken. " * 124 if status is Status.FAILED else None
    job = make_job(
        status=status, errors=error, description="Delete. " * 120, reference_id=ANA, receipt=RECEIPT,
        parameters={f"key_{number}": "x" * 40 for number in range(100)},
    )  # fmt: skip
    for _ in range(12):
        make_job(reference_id=ANA)
    make_long_history(job, 200)
    page_of(client, job)

    queries = queries_of(client, url("job_change", job.pk))
    html = page_of(client, job)

    assert len(queries) <= 12, queries
    assert len(html.encode()) <= 60 * 1024


def test_the_job_page_takes_the_same_number_of_queries_for_any_number_of_events(client: Client):
    job = make_job()
    add_event(job)
    page_of(client, job)

    few = queries_of(client, url("job_change", job.pk))
    for _ in range(9):
        add_event(job)
        make_job(reference_id=job.reference_id)

    assert len(queries_of(client, url("job_change", job.pk))) == len(few)
