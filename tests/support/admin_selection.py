"""Jobs chosen in the list for a change of many: the browser's part of it."""

from typing import Any, Final

import pytest
from django.test import Client, override_settings

from jobs.models import Job
from jobs.services.commands.bulk_change import BulkChange
from jobs.status import Status
from tests.support.admin_client import client_of, make_staff, url
from tests.support.factories import LONG_AGO, make_job, make_project

PERMISSIONS: Final = {"cancel": "cancel_job", "retry": "retry_job", "run": "run_job"}
FITTING: Final = {"cancel": Status.SCHEDULED, "retry": Status.FAILED, "run": Status.SCHEDULED}
FUTURE: Final = LONG_AGO.replace(year=2999)


@pytest.fixture
def user() -> Any:
    return make_staff("view_job", "view_reference", *PERMISSIONS.values())


@pytest.fixture
def client(user: Any) -> Client:
    return client_of(user)


@pytest.fixture(autouse=True)
def staff_project() -> Any:
    """A project for the jobs of staff, named as a host with projects of its own would."""
    project = make_project()
    with override_settings(JOBS={"STAFF_PROJECT": project.key}):
        yield project


def choose(client: Client, change: str, *jobs: Any, query: str = "", **fields: Any) -> Any:
    """Tick jobs in the list and choose an action; return the page that asks."""
    ids = [getattr(job, "pk", job) for job in jobs]
    chosen = {"action": f"{change}_selected", "index": 0, "select_across": 0, "_selected_action": ids}
    return client.post(url("job_changelist") + query, {**chosen, **fields})


def choose_all(client: Client, change: str, *jobs: Job, query: str = "") -> Any:
    """Choose all that match; the browser names the ticked ones, too."""
    return choose(client, change, *jobs, query=query, select_across=1)


def confirm(client: Client, page: Any, **fields: str) -> Any:
    data = {"asked": page.context["asked"], **fields}
    return client.post(url("job_bulk"), data, headers={"X-Request-Id": "r-1"})


def fitting(change: str, **columns: Any) -> Job:
    return make_job(status=FITTING[change], **{"due_at": FUTURE, **columns})


def ordered() -> BulkChange:
    return BulkChange.from_parameters(Job.objects.get(action="change_jobs").parameters)


def is_changed(change: str, job: Job) -> bool:
    now = Job.objects.get(pk=job.pk)
    if change == "cancel":
        return now.status == "cancelled"
    return job.retries.exists() if change == "retry" else now.due_at < FUTURE
