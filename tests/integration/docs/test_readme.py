"""The README's action, run by a worker."""

import pytest

from jobs import schedule_job
from jobs.models import Job
from jobs.status import Status
from jobs.workers.worker import JobWorker
from jobsite.models import Session
from tests.support.doc_pages import load_actions
from tests.support.factories import make_project
from tests.support.sessions import record_sessions


@pytest.mark.django_db(transaction=True)
def test_the_erase_of_the_readme_erases_this_user_and_no_other(monkeypatch: pytest.MonkeyPatch):
    load_actions("README", monkeypatch)
    project = make_project()
    for user, count in (("shekar@example.com", 3), ("mehdi@example.com", 2)):
        record_sessions(project, user, count)
    job = schedule_job("delete_user_data", project=project, reference_id="shekar@example.com")
    Job.objects.filter(pk=job.pk).update(due_at=job.created_at)

    JobWorker(threads=1, drain=True).run()

    job.refresh_from_db()
    assert job.status == Status.COMPLETED
    assert set(Session.objects.values_list("user_id", flat=True)) == {"mehdi@example.com"}
