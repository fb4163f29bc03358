"""``prunejobs --project KEY --now``: cancels and deletes all jobs of one project, in short transactions."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from jobs import get_project_model
from jobs.exceptions import LeaseLost
from jobs.models import Job
from jobs.services.commands import prune
from jobs.signals import job_finished
from jobs.status import Status
from tests.support.commands import error_of, run, run_json
from tests.support.concurrency import InThread, one_value, postgresql_only, somebody_holds, statements
from tests.support.execution import make_context, make_due_jobs, write_in_chunk
from tests.support.factories import make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not pause between batches."""
    monkeypatch.setattr(prune, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(prune, "SQLITE_PAUSE_SECONDS", 0)


def make_full_project() -> Any:
    project = make_project()
    for status in Status:
        make_job(project=project, status=status)
    return project


def jobs_of(project: Any) -> int:
    projects = get_project_model()._meta.db_table
    sql = f"SELECT count(*) FROM jobs_job JOIN {projects} p ON p.id = jobs_job.project_id WHERE p.key = %s"
    return one_value(sql, project.key)


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> list[str]:
    """Answer each question with ``answer``; return the list that the questions are added to."""
    asked: list[str] = []

    def answer_it(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("builtins.input", answer_it)
    return asked


@pytest.mark.parametrize("retention", [None, 30])
def test_every_job_of_that_project_is_deleted_whatever_the_retention_and_no_other(retention: int | None):
    project, other = make_full_project(), make_full_project()

    with override_settings(JOBS={"RETENTION_DAYS": retention}):
        result = run_json("prunejobs", "--project", project.key, "--now", "--no-input", "--batch-size", "2")

    assert (jobs_of(project), jobs_of(other)) == (0, 5)
    assert result == {"mode": "empty", "dryRun": False, "jobs": 5, "cancelled": 2, "events": 2, "kept": 0}


def test_a_worker_that_runs_a_job_of_the_project_stops_at_its_next_chunk_and_receivers_hear_of_the_cancel():
    job = make_running_job()
    context, heard = make_context(job), []

    def hear(job: Job, status: Status, **_: Any) -> None:
        heard.append((job.pk, status))

    job_finished.connect(hear, sender=Job)
    try:
        prune.empty_project(job.project)
    finally:
        job_finished.disconnect(hear, sender=Job)

    with pytest.raises(LeaseLost):
        write_in_chunk(context)
    assert heard == [(job.pk, Status.CANCELLED)]
    assert one_value("SELECT count(*) FROM hostapp_ledger") == 0


@postgresql_only
def test_a_job_in_an_open_chunk_is_kept_and_the_others_are_deleted():
    project = make_full_project()
    held = Job.objects.get(status=Status.RUNNING)

    with somebody_holds(held), override_settings(JOBS={"CANCEL_WAIT_SECONDS": 0.2}):
        result = run_json("prunejobs", "--project", project.key, "--now", "--no-input")

    assert (result["jobs"], result["cancelled"], result["kept"]) == (4, 1, 1)
    assert list(Job.objects.values_list("pk", "status")) == [(held.pk, Status.RUNNING)]


def test_a_big_project_is_emptied_in_many_short_transactions(monkeypatch: pytest.MonkeyPatch):
    project = make_project()
    make_due_jobs(40, project=project)
    left: list[int] = []

    def count_meanwhile() -> None:
        left.append(InThread(lambda: jobs_of(project)).result())

    monkeypatch.setattr(prune, "_sleep_between_batches", count_meanwhile)

    prune.empty_project(project, batch_size=10)

    assert left == [40, 40, 40, 40, 30, 20, 10, 0]


def test_jobs_that_are_added_meanwhile_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    project = make_full_project()
    monkeypatch.setattr(prune, "_sleep_between_batches", lambda: make_job(project=project))

    prune.empty_project(project)

    assert jobs_of(project) == 2


def test_it_asks_first_and_changes_nothing_unless_the_answer_is_yes(monkeypatch: pytest.MonkeyPatch):
    project = make_full_project()
    asked = answering(monkeypatch, "y")

    refused = error_of("prunejobs", "--project", project.key, "--now")
    before = jobs_of(project)
    answering(monkeypatch, "yes")
    printed = run("prunejobs", "--project", project.key, "--now")

    assert f"5 jobs of the project {project.key}, of which 2 wait or run" in asked[0]
    assert (refused, before) == ("Nothing was changed.", 5)
    assert printed == "5 jobs were deleted, with 2 events; 2 were cancelled.\n"
    assert jobs_of(project) == 0


def test_a_dry_run_counts_without_asking_and_changes_nothing():
    project = make_full_project()

    with statements() as sent:
        printed = run("prunejobs", "--project", project.key, "--now", "--dry-run")

    what = f"5 jobs of the project {project.key}, of which 2 wait or run"
    assert printed == f"{what}, would be deleted; nothing was changed.\n"
    assert all(sql.startswith("SELECT") for sql in sent)


@pytest.mark.parametrize("words", [["--now"], ["--project", "KEY"]])
def test_the_two_options_belong_together(words: list[str]):
    assert error_of("prunejobs", *words) == "--project and --now belong together: they empty one project."


def test_an_unknown_project_is_refused():
    with pytest.raises(CommandError, match="project not found"):
        call_command("prunejobs", "--project", "nothing", "--now", "--no-input")
