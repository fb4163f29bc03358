"""Bulk changes as a browser makes them: choose jobs in the list, then confirm."""

from typing import Any, Final

from django.test import Client

from jobs.models import Job
from jobs.services.commands.bulk_change import BulkChange
from jobs.status import Status
from tests.support.admin_client import url
from tests.support.factories import LONG_AGO, make_job

# The permission of each change.
PERMISSIONS: Final = {"cancel": "cancel_job", "retry": "retry_job", "run": "run_job"}
CHANGEABLE: Final = {"cancel": Status.SCHEDULED, "retry": Status.FAILED, "run": Status.SCHEDULED}
MAY_CHANGE: Final = ("view_job", "view_reference", *PERMISSIONS.values())
FUTURE: Final = LONG_AGO.replace(year=2999)


def choose(client: Client, change: str, *jobs: Any, query: str = "", **fields: Any) -> Any:
    """Tick jobs in the list and choose an action; return the page that asks for confirmation."""
    ids = [getattr(job, "pk", job) for job in jobs]
    chosen = {"action": f"{change}_selected", "index": 0, "select_across": 0, "_selected_action": ids}
    return client.post(url("job_changelist") + query, {**chosen, **fields})


def choose_all(client: Client, change: str, *jobs: Job, query: str = "") -> Any:
    """Choose all that match; the browser sends the ticked ones too."""
    return choose(client, change, *jobs, query=query, select_across=1)


def confirm(client: Client, page: Any, **fields: str) -> Any:
    data = {"asked": page.context["asked"], **fields}
    return client.post(url("job_bulk"), data, headers={"X-Request-Id": "r-1"})


def changeable(change: str, **columns: Any) -> Job:
    return make_job(status=CHANGEABLE[change], **{"due_at": FUTURE, **columns})


def requested_change() -> BulkChange:
    return BulkChange.from_parameters(Job.objects.get(action="change_jobs").parameters)


def is_changed(change: str, job: Job) -> bool:
    now = Job.objects.get(pk=job.pk)
    if change == "cancel":
        return now.status == "cancelled"
    return job.retries.exists() if change == "retry" else now.due_at < FUTURE
