"""``?include=…``: members of a job beyond its ten."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobs.api.include import INCLUDABLE
from jobs.api.serializers import EPOCH
from jobs.models import Job, JobEvent, Pause, Worker
from jobs.services.commands.interventions import hold_job
from jobs.services.commands.prune import redact_jobs
from jobs.services.search.jobs import get_job_and_time
from jobs.status import Status
from tests.support.api_client import Api, assert_error
from tests.support.concurrency import statements
from tests.support.factories import LONG_AGO, make_job, make_project

TEN = "jobId description status projectId action referenceId createdAt updatedAt startAt errors".split()
ADDED = ["progress", "receipt", "events", "eventsCut", "attempts", "attemptsCut"]
LONG_AGO_MS = 1735732800000


def ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def ask(api: Api, job: Job, include: str) -> dict[str, Any]:
    """Return the members that come after the ten."""
    data = api.get(f"/jobs/{job.pk}?include={include}").json()["data"]
    assert list(data)[:10] == TEN
    return {name: data[name] for name in list(data)[10:]}


def make_worker(api: Api, *, beat: float) -> datetime:
    """Insert a worker that beat so many seconds ago, by the database's clock; return when."""
    _, now = get_job_and_time(make_job(project=api.project).pk, project=api.project)
    beat_at = now - timedelta(seconds=beat)
    Worker.objects.create(name=f"host:1:{beat}", started_at=LONG_AGO, beat_at=beat_at)
    return beat_at


@pytest.mark.parametrize(
    ("include", "added"),
    [
        ("", []),
        (",", []),
        ("progress", ["progress"]),
        ("attempts,progress,progress", ["progress", "attempts", "attemptsCut"]),
        ("attempts,events,receipt,progress", ADDED),
        ("receipt,&include=progress", ["progress", "receipt"]),
        ("&include=progress", ["progress"]),
        ("progress%2Creceipt", ["progress", "receipt"]),
    ],
)
def test_the_members_asked_for_follow_the_ten_in_one_order(api: Api, include: str, added: list[str]):
    assert list(ask(api, make_job(project=api.project), include)) == added


@pytest.mark.parametrize(
    ("include", "quoted"),
    [
        *(
            ("Progress", '"Progress"'),
            ("receipt&include=x", '"x"'),
            ("progress,%20receipt", '" receipt"'),
            ("all", '"all"'),
            ("*", '"*"'),
        ),
        *(("events%00", r'"events\u0000"'), ("%D9%A3", r'"\u0663"'), ("%FF", r'"\ufffd"')),
        ("x" * 900, f'"{"x" * 60}\\u2026"'),
    ],
)
def test_an_unknown_member_is_refused_and_the_known_ones_are_named(api: Api, include: str, quoted: str):
    response = api.get(f"/jobs/{make_job(project=api.project).pk}?include={include}")

    error = f"include: must be some of progress, receipt, events, attempts, separated by commas, not {quoted}"
    assert_error(response, 400, "invalid_field", error=error)


def test_a_foreign_job_or_a_malformed_id_is_refused_before_include_is_read(api: Api):
    foreign = make_job(project=make_project(organization=api.project.organization))

    assert api.get(f"/jobs/{foreign.pk}?include=progress,events").status_code == 404
    assert api.get("/jobs/abc?include=nonsense").json()["error"] == "jobId: must be an integer"


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.SCHEDULED])
def test_progress_of_a_job_that_does_not_wait(api: Api, status: Status):
    columns = {"progress_done": 3, "progress_total": 9, "progress_at": LONG_AGO, "attempt": 2}
    progress = ask(api, make_job(project=api.project, status=status, **columns), "progress")["progress"]

    assert list(progress) == ["done", "total", "at", "attempt", "waitingFor"]
    assert list(progress.values()) == [3, 9, LONG_AGO_MS, 2, None]


def waiting_for(api: Api, **columns: Any) -> Any:
    return ask(api, make_job(project=api.project, **columns), "progress")["progress"]["waitingFor"]


def add_event(job: Job, what: str, **columns: Any) -> None:
    JobEvent.objects.create(job=job, at=LONG_AGO, what=what, **columns)


def test_it_waits_for_its_start_time_its_retry_a_worker_its_turn_or_the_end_of_a_pause(api: Api):
    later = LONG_AGO.replace(year=2999)

    assert waiting_for(api, start_at=later, due_at=later) == {"what": "startTime", "until": ms(later)}
    assert waiting_for(api, attempt=1, due_at=later) == {"what": "retry", "until": ms(later)}
    assert waiting_for(api) == {"what": "worker", "since": None}
    beat_at = make_worker(api, beat=90)
    assert waiting_for(api) == {"what": "worker", "since": ms(beat_at)}
    make_worker(api, beat=1)
    assert waiting_for(api) == {"what": "turn"}
    # The reason is not shown.
    Pause.objects.create(reason="Shekar asked us to.", created_at=LONG_AGO, created_by="staff:1")
    assert waiting_for(api) == {"what": "paused", "since": LONG_AGO_MS}


def test_it_waits_while_staff_hold_it_and_their_reason_is_not_shown(api: Api):
    job = make_job(project=api.project)
    held = hold_job(job.pk, project=api.project, reason="Shekar asked us to.")

    shown = ask(api, job, "progress,events")

    assert shown["progress"]["waitingFor"] == {"what": "held", "since": ms(held.updated_at)}
    assert [(event["what"], event["from"], event["to"], event["note"]) for event in shown["events"]] == [
        ("held", "scheduled", "scheduled", None)
    ]


def test_the_receipt_tells_what_was_found_done_and_left(api: Api):
    stores = {"sessions": {"found": 5, "done": 5, "left": 0}, "from": {"found": None, "done": 2, "left": None}}
    receipt = {"stores": stores, "verified_at": "2025-01-01T12:00:00.250+00:00"}
    job = make_job(project=api.project, status=Status.COMPLETED, receipt=receipt)

    assert ask(api, job, "receipt") == {"receipt": {"stores": stores, "verifiedAt": LONG_AGO_MS + 250}}
    assert ask(api, make_job(project=api.project), "receipt") == {"receipt": {"stores": {}, "verifiedAt": None}}


def test_events_and_attempts_in_their_words_take_one_query_that_reads_no_traceback(api: Api):
    job = make_job(project=api.project, status=Status.FAILED)
    by_worker = {"attempt": 1, "actor": "worker:host:1:aaaa"}
    add_event(job, "scheduled", to_status="scheduled", attempt=0, actor="key:jsk_3fG7a2Qx")
    add_event(job, "claimed", from_status="scheduled", to_status="running", **by_worker)
    failed = {"from_status": "running", "to_status": "failed", "note": "It broke.", "detail": "Traceback"}
    add_event(job, "failed", **failed, **by_worker)

    with statements() as made:
        shown = ask(api, job, "events,attempts")

    first, _, last = shown["events"]
    assert list(first) == ["at", "what", "from", "to", "attempt", "by", "note"]
    assert list(first.values()) == [LONG_AGO_MS, "scheduled", None, "scheduled", 0, "key jsk_3fG7a2Qx", None]
    assert (last["from"], last["by"], last["note"]) == ("running", "worker", "It broke.")
    (attempt,) = shown["attempts"]
    assert list(attempt) == ["attempt", "claimedAt", "endedAt", "outcome", "error"]
    assert list(attempt.values()) == [1, LONG_AGO_MS, LONG_AGO_MS, "failed", "It broke."]
    assert (shown["eventsCut"], shown["attemptsCut"]) == (False, False)
    (query,) = [sql for sql in made if '"jobs_jobevent"' in sql]
    assert not [column for column in ("detail", "request_id") if f'"{column}"' in query]
    assert "Traceback" not in str(shown)


def test_a_long_history_is_cut_and_marked_so(api: Api):
    job = make_job(project=api.project)
    JobEvent.objects.bulk_create(
        JobEvent(job=job, at=LONG_AGO, what="released", to_status="scheduled", attempt=1, actor="system")
        for _ in range(201)
    )

    shown = ask(api, job, "events,attempts")

    assert (len(shown["events"]), shown["eventsCut"], shown["attemptsCut"]) == (200, True, True)


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_a_redacted_job_shows_nothing_personal(api: Api, status: Status):
    receipt = {"stores": {"sessions": {"found": 5, "done": 5, "left": 0}}}
    job = make_job(project=api.project, status=status, receipt=receipt)
    note = {"note": "shekar@example.com", "actor": "key:jsk_3fG7a2Qx"}
    add_event(job, "cancelled", to_status=status, attempt=1, **note)
    assert redact_jobs(LONG_AGO + timedelta(days=1)).done == 1

    response = api.get(f"/jobs/{job.pk}?include={','.join(INCLUDABLE)}")

    data = response.json()["data"]
    assert response.status_code == 200
    assert (data["referenceId"], data["description"], data["errors"]) == ("", "", None)
    assert data["receipt"] == {**receipt, "verifiedAt": None}
    assert data["events"][0]["note"] is None
    assert b"shekar" not in response.content
