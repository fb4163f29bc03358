"""One job from the request to its end, through the doors that users have."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.models import Job, JobEvent
from jobs.workers.worker import JobWorker
from jobsite.models import Session, SessionEvent
from tests.support.api_client import Api
from tests.support.factories import make_key, make_project

pytestmark = pytest.mark.django_db(transaction=True)

ANA = "ana@example.com"


def record(project: Any, user: str, *, sessions: int) -> None:
    """Let a user make some sessions with two events each."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    columns = {"started_at": at, "duration": timedelta(minutes=1), "country": "DE", "page": "/"}
    rows = [Session(project=project, user_id=user, **columns) for _ in range(sessions)]
    made = Session.objects.bulk_create(rows)
    SessionEvent.objects.bulk_create(
        [SessionEvent(session=session, at=at, kind=SessionEvent.Kind.PAGE) for session in made for _ in range(2)]
    )


def test_an_erasure_asked_for_over_rest_is_run_and_leaves_other_users_and_projects_alone():
    project, other = make_project(), make_project()
    api = Api(project=project, secret=make_key(organization=project.organization).secret)
    for owner, user in [(project, ANA), (project, "ben@example.com"), (other, ANA)]:
        record(owner, user, sessions=30)

    body = {"action": "delete_user_data", "referenceId": ANA, "startAt": 0}
    asked = api.post("/jobs", body).json()["data"]
    status = JobWorker(threads=2, drain=True).run()

    assert status == 0
    seen = api.get(f"/jobs/{asked['jobId']}").json()["data"]
    assert seen == {**asked, "status": "completed", "updatedAt": seen["updatedAt"]}
    left = Session.objects.order_by("pk").values_list("project", "user_id").distinct()
    assert set(left) == {(project.pk, "ben@example.com"), (other.pk, ANA)}
    assert SessionEvent.objects.count() == 2 * Session.objects.count() == 120
    job = Job.objects.get(pk=asked["jobId"])
    assert {name: store["done"] for name, store in job.receipt["stores"].items()} == {"events": 60, "sessions": 30}
    events = JobEvent.objects.filter(job=job).values_list("what", flat=True)
    assert list(events) == ["scheduled", "claimed", "completed"]
