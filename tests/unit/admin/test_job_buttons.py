"""Interventions on a job's page: offered by status and permission, logged without a person, reported truthfully."""

from dataclasses import replace
from typing import Any, Final
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs.admin.jobs.interventions import INTERVENTIONS
from jobs.exceptions import Busy, ConcurrentChange, JobNotFound, OutcomeUnknown, StepRefused
from jobs.models import Job, JobEvent
from jobs.status import RefusalReason, Status
from tests.support.admin_client import client_of, messages_of, page_of, url, with_permissions
from tests.support.factories import make_job
from tests.support.interventions import HELD, LATER

ANA: Final = "ana@example.com"
STAFF_MAY: Final = ("view_job", "cancel_job", "retry_job", "run_job", "hold_job")
# For each button: the permission, the use case, a job that it is for, its event, the answer and what is logged.
BUTTONS: Final[dict[str, tuple[str, str, dict[str, Any], str, str, str]]] = {
    "run": ("run_job", "run_job_now", {"due_at": LATER}, "advanced", "Job {id} is due now.", "Made due at once."),
    "hold": ("hold_job", "hold_job", {}, "held", "Job {id} is held.", "Held."),
    "resume": ("hold_job", "resume_job", HELD, "resumed", "Job {id} is resumed.", "Resumed."),
    "retry": (
        "retry_job", "retry_job", {"status": Status.FAILED}, "retried",
        "Job {id} is retried by this job, {new}.", "Retried by job {new}.",
    ),
    "cancel": ("cancel_job", "cancel_job", {}, "cancelled", "Cancelled job {id}.", "Cancelled."),
}  # fmt: skip
OFFERED: Final = {
    "due": ({}, {"hold", "cancel"}),
    "later": ({"due_at": LATER}, {"run", "hold", "cancel"}),
    "held": (HELD, {"resume", "cancel"}),
    "running": ({"status": Status.RUNNING}, {"cancel"}),
    "completed": ({"status": Status.COMPLETED}, set()),
    "failed": ({"status": Status.FAILED}, {"retry"}),
    "redacted": ({"status": Status.FAILED, "reference_id": ""}, set()),
    "cancelled": ({"status": Status.CANCELLED, **HELD}, set()),
    "an order of staff's": ({"action": "change_jobs", "status": Status.RUNNING}, {"cancel"}),
    "an order that failed": ({"action": "change_jobs", "status": Status.FAILED}, set()),
}
WORDS: Final = {
    RefusalReason.ENDED: "it was completed meanwhile",
    RefusalReason.RUNNING: "a worker started it meanwhile",
    RefusalReason.HELD: "it is held",
    RefusalReason.NOT_HELD: "it is not held any more",
    RefusalReason.DUE_ALREADY: "it is already due and waits for its turn",
    RefusalReason.NOT_FAILED: "only a failed job can be retried, and this one is completed",
    RefusalReason.RETRIED: "job 77 already retries it",
    RefusalReason.REDACTED: "it was redacted, so it is no longer known whom it was about",
    RefusalReason.UNKNOWN_ACTION: "its action no longer exists",
    RefusalReason.BULK_CHANGE: (
        "it changes jobs in the name of the person who requested it; request the change anew instead"
    ),
    RefusalReason.ACTIVE_JOB: "job 77 for the same reference waits or runs",
}


def press(client: Client, name: str, job: Any, **fields: str) -> Any:
    return client.post(url(f"job_{name}", getattr(job, "pk", job)), fields, headers={"X-Request-Id": "r-1"})


def offered_on(html: str, job: Job) -> set[str]:
    return {name for name in BUTTONS if f'action="{url(f"job_{name}", job.pk)}"' in html}


def is_untouched(job: Job) -> bool:
    before = (job.status, job.due_at, job.updated_at)
    job.refresh_from_db()
    same = (job.status, job.due_at, job.updated_at) == before and Job.objects.count() == 1
    return same and not JobEvent.objects.exists() and not LogEntry.objects.exists()


@pytest.mark.parametrize("state", OFFERED)
def test_a_job_s_page_offers_the_interventions_of_its_state(client: Client, state: str):
    columns, expected = OFFERED[state]
    job = make_job(**columns)

    assert offered_on(page_of(client, job), job) == expected


@pytest.mark.parametrize("name", BUTTONS)
def test_a_button_changes_the_job_and_reports_it(client: Client, user: Any, name: str):
    _, _, columns, what, answer, logged = BUTTONS[name]
    job = make_job(reference_id=ANA, description=f"Delete {ANA}", **columns)

    response = press(client, name, job, reason=f"{ANA} called us")

    newest = Job.objects.latest("pk")
    facts = {"id": job.pk, "new": newest.pk}
    assert response.url == url("job_change", newest.pk)
    assert messages_of(response) == [answer.format(**facts)]
    event = JobEvent.objects.get(job=job)
    assert (event.what, event.actor, event.request_id) == (what, f"staff:{user.pk}", "r-1")
    assert JobEvent.objects.filter(note=f"{ANA} called us").count() == 1
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.object_repr) == (user.pk, str(job.pk), f"job {job.pk}")
    assert entry.get_change_message() == logged.format(**facts)


@pytest.mark.parametrize("name", BUTTONS)
def test_each_button_has_a_permission_of_its_own(name: str):
    permission, _, columns, *_ = BUTTONS[name]
    job = make_job(**columns)
    without_it = with_permissions(*(one for one in STAFF_MAY if one != permission))
    without_view = with_permissions(*STAFF_MAY[1:])

    refused = [press(without_it, name, job), press(without_view, name, job), press(client_of(None), name, job)]

    assert [response.status_code for response in refused] == [403, 403, 302]
    assert "/login/" in refused[2].url
    assert is_untouched(job)
    assert name not in offered_on(page_of(without_it, job), job)
    assert name in offered_on(page_of(with_permissions("view_job", permission), job), job)
    assert press(with_permissions("view_job", permission), name, job).status_code == 302
    assert JobEvent.objects.filter(job=job).exists()


@pytest.mark.parametrize("name", BUTTONS)
def test_a_reason_that_cannot_be_stored_and_an_impossible_job_id_change_nothing(client: Client, name: str):
    job = make_job(**BUTTONS[name][2])

    for number, reason in enumerate(["a\0b", "a\x07b", "x" * 501], start=1):
        assert len(messages_of(press(client, name, job, reason=reason))) == number
    for job_id in ("0", "9223372036854775808", "abc"):
        assert press(client, name, job_id).status_code == 404

    assert is_untouched(job)


@pytest.mark.parametrize(("name", "state", "told"), [
    ("hold", "running", "Job {id} was not held: a worker started it meanwhile."),
    ("hold", "completed", "Job {id} was not held: it was completed meanwhile."),
    ("hold", "held", "Job {id} was not held: it is held."),
    ("resume", "due", "Job {id} was not resumed: it is not held any more."),
    ("run", "due", "Job {id} was not made due: it is already due and waits for its turn."),
    ("run", "cancelled", "Job {id} was not made due: it was cancelled meanwhile."),
    ("retry", "completed", "Job {id} was not retried: only a failed job can be retried, and this one is completed."),
    (
        "retry", "an order that failed",
        "Job {id} was not retried: it changes jobs in the name of the person who requested it; "
        "request the change anew instead.",
    ),
    ("cancel", "completed", "Job {id} was not cancelled: it was completed meanwhile."),
    ("cancel", "failed", "Job {id} was not cancelled: it failed meanwhile."),
    ("cancel", "cancelled", "Job {id} was not cancelled: it was cancelled meanwhile."),
])  # fmt: skip
def test_a_lost_race_is_explained_and_not_logged(client: Client, name: str, state: str, told: str):
    job = make_job(**OFFERED[state][0])

    response = press(client, name, job)

    assert response.url == url("job_change", job.pk)
    assert messages_of(response) == [told.format(id=job.pk)]
    assert is_untouched(job)


def test_a_second_retry_is_refused_and_names_the_first(client: Client):
    job = make_job(status=Status.FAILED)
    press(client, "retry", job)

    response = press(client, "retry", job)

    assert (
        messages_of(response)[-1]
        == f"Job {job.pk} was not retried: job {Job.objects.latest('pk').pk} already retries it."
    )
    assert Job.objects.count() == 2


@pytest.mark.parametrize("name", BUTTONS)
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Busy(), "busy just now and unchanged; try again in a moment"),
        (ConcurrentChange(), "busy just now and unchanged; try again in a moment"),
        (
            OutcomeUnknown(),
            "the connection to the database was lost while it was being saved; check whether it was done",
        ),
        (JobNotFound(7), "there is no such job"),
        *((StepRefused(7, why=why, status=Status.COMPLETED, other_job_id=77), WORDS[why]) for why in RefusalReason),
    ],
    ids=lambda value: "" if isinstance(value, Exception) else value,
)
def test_every_error_of_a_service_is_explained(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, words: str
):
    monkeypatch.setitem(INTERVENTIONS, name, replace(INTERVENTIONS[name], service=Mock(side_effect=error)))
    job = make_job(**BUTTONS[name][2])

    (message,) = messages_of(press(client, name, job))

    assert message.endswith(f": {words}.")
    assert is_untouched(job)
