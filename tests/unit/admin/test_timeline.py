"""The history on a job's page: events with their actors, attempts with their errors, tracebacks."""

from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client

from jobs.admin.jobs import timeline
from jobs.models import Job
from jobs.services.reports import history
from jobs.status import Status
from tests.support.admin_client import add_event, make_staff, page_of, queries_of, url, with_permissions
from tests.support.concurrency import statements
from tests.support.factories import LONG_AGO, make_job

STAFF_MAY: Final = ("view_job", "view_reference")


def told(client: Client, job: Job, query: str = "") -> Any:
    return client.get(url("job_change", job.pk) + query).context["page"]


def add_attempt(job: Job, number: int, what: str = "retrying", *, seconds: float = 3, **texts: str) -> None:
    at = LONG_AGO + timedelta(hours=number)
    add_event(job, what="claimed", from_status="scheduled", to_status="running", attempt=number, at=at)
    end = {"what": what, "from_status": "running", "to_status": "failed" if what == "failed" else "scheduled"}
    add_event(job, attempt=number, at=at + timedelta(seconds=seconds), **end, **texts)


def test_events_name_their_actors(client: Client):
    job = make_job(status=Status.CANCELLED)
    user = make_staff()
    add_event(job, what="scheduled", to_status="scheduled", attempt=0, actor="key:jsk_3fG7a2Qx")
    add_event(job, what="held", to_status="scheduled", actor="staff:999999")
    add_event(job, what="resumed", to_status="scheduled", actor="staff:not-a-key")
    add_event(job, what="advanced", to_status="scheduled", actor="system")
    add_event(job, what="cancelled", actor=f"staff:{user.pk}", request_id="r-123", note="they asked")

    events = told(client, job)["events"]

    assert [(event["actor"], event["request_id"], event["note"]) for event in events] == [
        (user.get_username(), "r-123", "they asked"),
        ("the system", "", ""),
        ("staff not-a-key", "", ""),
        ("staff 999999", "", ""),
        ("API key jsk_3fG7a2Qx…", "", ""),
    ]
    assert [str(event["what"]) for event in events] == [
        "cancelled", "made due at once", "resumed by staff", "held by staff", "scheduled",
    ]  # fmt: skip


def test_all_names_of_staff_take_one_query(client: Client):
    job = make_job()
    for _ in range(5):
        add_event(job, actor=f"staff:{make_staff().pk}")

    found = queries_of(client, url("job_change", job.pk))

    assert len([sql for sql in found if 'FROM "auth_user"' in sql and " IN (" in sql]) == 1


def test_events_come_in_pages_and_the_last_one_says_if_there_are_older_ones(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(history, "MOST_EVENTS", 5)
    monkeypatch.setattr(timeline, "EVENTS_ON_PAGE", 2)
    job = make_job()
    for number in range(5):
        add_event(job, note=f"note {number}")

    pages = [told(client, job, f"?events={number}") for number in (1, 2, 3)]
    add_event(job, note="note 5")
    cut = told(client, job, "?events=3")

    assert [[event["note"] for event in page["events"]] for page in pages] == [
        ["note 4", "note 3"], ["note 2", "note 1"], ["note 0"],
    ]  # fmt: skip
    assert [(page["newer"], page["older"], page["is_cut"]) for page in pages] == [
        (0, 2, False), (1, 3, False), (2, 0, False),
    ]  # fmt: skip
    assert ([event["note"] for event in cut["events"]], cut["is_cut"]) == (["note 1"], True)
    assert "Only the newest 5 events are shown; there are older ones." in page_of(client, job, "?events=3")
    assert 'href="?events=2#jobs-events"' in page_of(client, job)


@pytest.mark.parametrize("number", ["0", "-1", "9" * 30, "abc", "99", ""])
def test_a_page_number_out_of_range_shows_the_nearest_page(client: Client, number: str):
    job = make_job()
    add_event(job, note="the only one")

    assert [event["note"] for event in told(client, job, f"?events={number}")["events"]] == ["the only one"]


@pytest.mark.parametrize(("what", "characters"), [("cancelled", 500), ("failed", 160)])
def test_a_reason_is_shown_in_full_and_a_long_error_is_cut(client: Client, what: str, characters: int):
    job = make_job()
    add_event(job, what=what, note="x" * 500)
    add_event(job, what=what, note="y" * 5_000)

    longer, as_long = told(client, job)["events"]

    assert longer["note"] == "y" * characters + "…"
    assert as_long["note"] == "x" * characters + ("" if characters == 500 else "…")


def test_attempts_show_outcome_duration_and_the_first_line_of_the_error(client: Client):
    job = make_job(status=Status.RUNNING, attempt=4)
    add_attempt(job, 1, note="\n First line.\nSecond line.", seconds=3.26)
    add_attempt(job, 2, "released", note="The worker shut down.", seconds=75)
    add_attempt(job, 3, "rescued", note="Its lease ran out.", seconds=7_500)
    add_event(job, what="claimed", from_status="scheduled", to_status="running", attempt=4, actor="worker:host:2:bbbb")

    attempts = told(client, job)["attempts"]

    assert [
        (one["number"], str(one["outcome"]), one.get("took"), one.get("error"), one["worker"]) for one in attempts
    ] == [
        (4, "running", None, None, "host:2:bbbb"),
        (3, "rescued from a lost worker", "2 h 5 min", "Its lease ran out.", "host:1:aaaa"),
        (2, "handed back by its worker", "1 min 15 s", "", "host:1:aaaa"),
        (1, "attempt failed, will be tried again", "3.3 s", "First line.", "host:1:aaaa"),
    ]
    assert "Second line" not in page_of(client, job).split('class="jobs-attempts"')[1].split("</table>")[0]


def test_a_job_that_never_ran_has_no_attempts(client: Client):
    assert "jobs-attempts" not in page_of(client, make_job())


def test_a_traceback_is_not_read_without_its_permission(client: Client):
    job = make_job(status=Status.FAILED)
    add_attempt(job, 1, "failed", detail="Traceback: a@example.com")

    with statements() as sent:
        html = page_of(client, job, "?attempt=1")

    assert "raceback" not in html
    assert not any('"detail"' in sql for sql in sent)


def test_the_newest_traceback_is_folded_and_cut_and_any_can_be_chosen_in_full():
    client = with_permissions("view_job", "view_job_detail", "view_reference")
    job = make_job(status=Status.FAILED)
    add_attempt(job, 1, detail="Traceback of the first")
    add_attempt(job, 2, detail="the beginning" + "x" * 6_000 + "the end")
    add_attempt(job, 3, "released")

    newest, first, second = (page_of(client, job, query) for query in ("", "?attempt=1", "?attempt=2"))

    assert '<details id="jobs-traceback"><summary>Traceback of attempt 2</summary>' in newest
    assert ("the beginning" in newest, "the end" in newest, "Only the end" in newest) == (False, True, True)
    assert "Traceback of the first" not in newest
    assert [number for number in (1, 2, 3) if f'href="?attempt={number}#jobs-traceback"' in newest] == [1, 2]
    assert '<details id="jobs-traceback" open><summary>Traceback of attempt 1</summary>' in first
    assert "Traceback of the first" in first
    assert ("the beginning" in second, "the end" in second, "Only the end" in second) == (True, True, False)


@pytest.mark.parametrize(("attempt", "shown"), [("7", None), ("abc", 1), ("9" * 40, 1)])
def test_an_attempt_without_a_traceback_shows_none(attempt: str, shown: int | None):
    client = with_permissions("view_job", "view_job_detail")
    job = make_job(status=Status.FAILED)
    add_attempt(job, 1, "failed", detail="x")

    found = told(client, job, f"?attempt={attempt}")["traceback"]

    assert (found and found["attempt"]) == shown
