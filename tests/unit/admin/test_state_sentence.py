"""The sentence that says why a job has its status, and the rate of its progress."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from jobs.actors import Actor
from jobs.admin.jobs.state_sentence import pace_of
from jobs.models import Job, Pause, Worker
from jobs.services.commands.interventions import hold_job
from jobs.status import Status
from tests.support.admin_client import add_event, make_staff, url, with_permissions
from tests.support.factories import LONG_AGO, make_job, make_running_job

STAFF_MAY: Final = ("view_job", "view_reference")

LATER: Final = datetime(2999, 1, 1, tzinfo=UTC)
AT: Final = "2025-01-01 12:00:00 UTC"


def why(client: Client, job: Job) -> str:
    """Return the sentence as people read it; instants of this test run stand as ``now``."""
    sentence = strip_tags(str(client.get(url("job_change", job.pk)).context["page"]["why"]))
    return re.sub(r"20(?!25)\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", "now", sentence)


def make_worker(*, seconds_ago: float) -> None:
    beat_at = timezone.now() - timedelta(seconds=seconds_ago)
    Worker.objects.create(name=f"host:{seconds_ago}", started_at=LONG_AGO, beat_at=beat_at)


def test_it_waits_for_its_start_or_its_next_attempt(client: Client):
    start, retry = make_job(start_at=LATER, due_at=LATER), make_job(attempt=2, due_at=LATER)

    assert why(client, start) == "Waits for its start at 2999-01-01 00:00:00 UTC."
    assert why(client, retry) == "Attempt 2 did not complete it; the next one is due at 2999-01-01 00:00:00 UTC."


def test_it_is_held_by_somebody_with_a_reason(client: Client):
    user = make_staff()
    job = make_job()
    hold_job(job.pk, project=job.project, actor=Actor(kind="staff", name=str(user.pk)), reason="They ask.")
    unexplained = make_job(held_at=LONG_AGO)

    name = user.get_username()
    assert why(client, job) == f"Held by {name} since now; it waits until it is resumed. Reason: They ask."
    assert why(client, unexplained) == f"Held by somebody since {AT}; it waits until it is resumed."


def test_it_waits_for_its_organization_a_pause_a_worker_or_its_turn(client: Client):
    job = make_job()
    found = [why(client, job)]
    make_worker(seconds_ago=3_600)
    found.append(why(client, job))
    make_worker(seconds_ago=1)
    found.append(why(client, job))
    Pause.objects.create(reason="Wait.", created_at=LONG_AGO, created_by="staff:1")
    found.append(why(client, job))
    type(job.project.organization).objects.update(disabled_at=LONG_AGO)
    found.append(why(client, job))

    assert found == [
        f"Due since {AT}, but no worker has been seen.",
        f"Due since {AT}, but no worker is alive; the last one was seen at now.",
        f"Due since {AT}; it waits for its turn, and workers are alive.",
        f"Paused since {AT}; it waits until the pause is lifted.",
        f"Its organization is disabled since {AT}; none of its jobs is started until it is enabled again.",
    ]


def test_it_runs_waits_for_a_thread_or_has_lost_its_worker(client: Client):
    later = LONG_AGO + timedelta(seconds=9)
    lost = {"lease_expires_at": LONG_AGO}

    assert [
        why(client, make_running_job(attempt=2, progress_at=LONG_AGO - timedelta(days=1))),
        why(client, make_running_job(progress_at=later)),
        why(client, make_running_job(begun_at=None)),
        why(client, make_running_job(**lost)),
    ] == [
        f"Attempt 2 runs on host:1:aaaa since {AT}; no progress so far.",
        f"Attempt 1 runs on host:1:aaaa since {AT}; its last progress was at 2025-01-01 12:00:09 UTC.",
        "Attempt 1 was claimed by host:1:aaaa and waits there for a free thread.",
        f"Attempt 1 was with host:1:aaaa, which seems lost: its lease ran out at {AT}. It will be rescued.",
    ]


def test_it_was_completed_with_or_without_a_last_check(client: Client):
    verified = {"stores": {}, "verified_at": "2025-01-01T11:59:59+00:00"}

    assert [
        why(client, make_job(status=Status.COMPLETED)),
        why(client, make_job(status=Status.COMPLETED, receipt=verified)),
    ] == [f"Completed at {AT}.", f"Completed at {AT}; the last check, at 2025-01-01 11:59:59 UTC, found nothing left."]


def test_it_failed_with_an_error_whose_reference_is_masked(client: Client):
    job = make_job(status=Status.FAILED, attempt=3, reference_id="ana", errors="\nAna is locked.\nReally.")

    assert why(client, job) == f"Failed at {AT}, with attempt 3: Ana is locked."
    assert why(with_permissions("view_job"), job) == f"Failed at {AT}, with attempt 3: a••••• is locked."


def test_it_was_cancelled_by_somebody_with_a_reason(client: Client):
    by_key, by_unknown = make_job(status=Status.CANCELLED), make_job(status=Status.CANCELLED)
    add_event(by_key, what="cancelled", actor="key:jsk_3fG7a2Qx", note="Not <b>now</b>.", to_status="cancelled")

    sentence = str(client.get(url("job_change", by_key.pk)).context["page"]["why"])

    assert "Not &lt;b&gt;now&lt;/b&gt;." in sentence
    assert why(client, by_key).startswith(f"Cancelled by API key jsk_3fG7a2Qx… at {AT}. Reason: Not")
    assert why(client, by_unknown) == f"Cancelled by somebody at {AT}."


def running(**columns: Any) -> Job:
    lease = {"lease_token": uuid4(), "lease_expires_at": LATER, "worker": "a"}
    times = {"started_at": LONG_AGO, "begun_at": LONG_AGO}
    return Job(**{"status": Status.RUNNING.value, "attempt": 1, **lease, **times, **columns})


@pytest.mark.parametrize(
    ("columns", "pace"),
    [
        ({"progress_done": 50, "progress_total": 200}, (0.5, LONG_AGO + timedelta(seconds=400))),
        # From the second attempt on the rate counts from the first claim.
        ({"progress_done": 50, "attempt": 2, "begun_at": LONG_AGO + timedelta(seconds=90)}, (0.5, None)),
        # Without progress or time there is no rate.
        ({"progress_done": 0}, None),
        ({"progress_done": 5, "begun_at": None}, None),
        ({"progress_done": 5, "begun_at": LONG_AGO + timedelta(seconds=99.5)}, None),
        ({"progress_done": 5, "status": "completed"}, None),
    ],
)
def test_the_rate_covers_the_attempt_and_gives_the_end(columns: dict[str, Any], pace: Any):
    found = pace_of(running(**columns), now=LONG_AGO + timedelta(seconds=100))

    assert (found and (found.per_second, found.ends_at)) == pace


@pytest.mark.parametrize("total", [None, 5, 4, 10**18])
def test_without_a_total_left_there_is_no_end(total: int | None):
    pace = pace_of(running(progress_done=5, progress_total=total), now=LONG_AGO + timedelta(days=100))

    assert pace is not None
    assert pace.ends_at is None


def test_the_page_shows_rate_and_end(client: Client):
    begun = timezone.now() - timedelta(seconds=1_000)
    job = make_running_job(begun_at=begun, started_at=begun, progress_done=5_000, progress_total=10_000)

    page = client.get(url("job_change", job.pk))

    assert page.context["page"]["rate"] in ("5.0", "4.9")
    assert re.search(r"about (5\.0|4\.9) per second · expected to end in 16 min, at ", page.content.decode())
