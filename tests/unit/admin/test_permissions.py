"""Who may do what: every kind of user against every door of the jobs' admin."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.admin_client import client_of, make_staff, messages_of, text_of, url
from tests.support.factories import make_job

pytestmark = pytest.mark.django_db

PEOPLE: Final[dict[str, Callable[[], Any]]] = {
    "anonymous": lambda: None,
    "no permission": make_staff,
    "cancel without view": lambda: make_staff("cancel_job"),
    "view": lambda: make_staff("view_job"),
    "view and every edit": lambda: make_staff("view_job", "add_job", "change_job", "delete_job"),
    "view and cancel": lambda: make_staff("view_job", "cancel_job"),
    "superuser": lambda: make_staff(superuser=True),
}
LOOKERS: Final = ("view", "view and every edit", "view and cancel", "superuser")
ADDERS: Final = ("view and every edit", "superuser")
CANCELLERS: Final = ("view and cancel", "superuser")


@pytest.fixture(params=PEOPLE)
def who(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def client(who: str) -> Client:
    return client_of(PEOPLE[who]())


@pytest.fixture
def job() -> Job:
    return make_job()


def outcome(response: Any) -> str:
    if response.status_code == 302 and "/login/" in response.url:
        return "login"
    return {200: "shown", 302: "done", 403: "refused"}.get(response.status_code, str(response.status_code))


def refusal(who: str) -> str:
    return "login" if who == "anonymous" else "refused"


def is_untouched(job: Job) -> bool:
    same = Job.objects.filter(pk=job.pk, status=job.status, reference_id=job.reference_id).exists()
    return same and Job.objects.count() == 1 and not JobEvent.objects.exists() and not LogEntry.objects.exists()


@pytest.mark.parametrize("page", ["job_changelist", "job_change", "job_history"])
def test_only_those_who_may_view_jobs_see_them(client: Client, who: str, job: Job, page: str):
    response = client.get(url(page, *([] if page == "job_changelist" else [job.pk])))

    assert outcome(response) == ("shown" if who in LOOKERS else refusal(who))


def test_only_those_who_may_add_jobs_add_one(client: Client, who: str, job: Job):
    asked = {"project": job.project_id, "action": "touch", "reference_id": "x", "start_at_0": "", "start_at_1": ""}

    shown = client.get(url("job_add"))
    posted = client.post(url("job_add"), asked)

    may = who in ADDERS
    assert outcome(shown) == ("shown" if may else refusal(who))
    assert outcome(posted) == ("done" if may else refusal(who))
    assert Job.objects.exclude(pk=job.pk).exists() == may
    assert may or is_untouched(job)


def test_nobody_changes_a_job(client: Client, who: str, job: Job):
    fields = {"status": "completed", "reference_id": "other", "_save": "Save"}

    response = client.post(url("job_change", job.pk), fields)

    assert outcome(response) == refusal(who)
    assert is_untouched(job)


def test_nobody_deletes_a_job(client: Client, who: str, job: Job):
    shown = client.get(url("job_delete", job.pk))
    posted = client.post(url("job_delete", job.pk), {"post": "yes"})

    assert outcome(shown) == outcome(posted) == refusal(who)
    assert is_untouched(job)


def test_nobody_deletes_ticked_jobs(client: Client, who: str, job: Job):
    client.post(url("job_changelist"), {"action": "delete_selected", "_selected_action": [job.pk], "post": "yes"})

    assert is_untouched(job)


def test_the_button_cancels_for_those_who_may_cancel(client: Client, who: str, job: Job):
    response = client.post(url("job_cancel", job.pk))

    assert outcome(response) == ("done" if who in CANCELLERS else refusal(who))
    job.refresh_from_db()
    assert (job.status == Status.CANCELLED) == (who in CANCELLERS)


def test_the_list_action_cancels_for_those_who_may_cancel(client: Client, who: str, job: Job):
    response = client.post(
        url("job_changelist"), {"action": "cancel_selected", "index": 0, "_selected_action": [job.pk]}
    )

    assert outcome(response) == ("shown" if who in CANCELLERS else refusal(who))
    if who in CANCELLERS:
        assert outcome(client.post(url("job_bulk"), {"asked": response.context["asked"]})) == "done"
    job.refresh_from_db()
    assert (job.status == Status.CANCELLED) == (who in CANCELLERS)


def test_button_and_list_action_are_offered_to_those_who_may_cancel(client: Client, who: str, job: Job):
    listed = text_of(client.get(url("job_changelist")))
    page = text_of(client.get(url("job_change", job.pk)))

    assert ("cancel_selected" in listed) == (who in CANCELLERS)
    assert (url("job_cancel", job.pk) in page) == (who in CANCELLERS)
    assert "delete_selected" not in listed


def test_the_button_needs_the_csrf_token(job: Job):
    client = client_of(make_staff(superuser=True), enforce_csrf_checks=True)

    response = client.post(url("job_cancel", job.pk))

    assert response.status_code == 403
    assert is_untouched(job)


def test_following_a_link_cancels_nothing(job: Job):
    response = client_of(make_staff(superuser=True)).get(url("job_cancel", job.pk))

    assert response.url == url("job_change", job.pk)
    assert messages_of(response) == []
    assert is_untouched(job)
