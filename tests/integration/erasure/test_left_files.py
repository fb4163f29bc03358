"""Files that jobs have left, which were cancelled, have failed or were deleted, are removed by maintenance."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.utils import timezone

from jobs import cancel_job
from jobs.actors import SYSTEM
from jobs.erasure.files import _take, remove_left_files
from jobs.erasure.subjects import EraseHandler
from jobs.execution.runner import Outcome
from jobs.models import Job, PendingFile
from jobs.processes.maintenance import Maintenance
from jobs.processes.threads import ThreadGroup
from jobs.status import Status
from tests.support.concurrency import other_connection, postgresql_only, transaction_of, until
from tests.support.erase_maps import run_map, told_of, try_map
from tests.support.execution import ANA, BEN, run_attempt
from tests.support.factories import make_job, make_project, make_running_job
from tests.support.hostapp.models import Upload
from tests.support.logs import kept_records
from tests.support.uploads import USER, fail, let_try_again, on_disk, pending, upload

pytestmark = pytest.mark.django_db(transaction=True)

SECRET: Final = "ana-is-ill.pdf"


def left_by_a_failed_job(media: Path, storage: Any) -> Job:
    """Let the only attempt of a job fail on its files; the storage works again afterwards."""
    upload(ANA, "a1", "a2")
    storage(fail)
    outcome, job = try_map(USER, project=make_project())
    assert outcome is Outcome.FAILED
    assert on_disk(media) == ["a1", "a2"]
    storage(lambda name: None)
    let_try_again()
    return job


def test_maintenance_removes_and_counts_what_a_failed_job_has_left(media: Path, storage: Any):
    job = left_by_a_failed_job(media, storage)

    remove_left_files()

    job.refresh_from_db()
    assert on_disk(media) == []
    assert told_of(job)[1:] == [("Upload.file", "removed", 1, 1, 0), ("Upload.cover", "removed", 1, 1, 0)]
    assert (job.status, pending()) == (Status.FAILED, [])


def test_maintenance_removes_what_a_job_has_left_that_was_cancelled_in_the_middle(media: Path, storage: Any):
    upload(ANA, "a1", "a2")
    job = make_running_job(action="trial", project=make_project(), reference_id=ANA)
    storage(lambda name: cancel_job(job.pk, project=job.project, actor=SYSTEM) if name == "a1" else None)

    ran, job = run_attempt(EraseHandler(USER), job)
    left, told = on_disk(media), told_of(job)
    storage(lambda name: None)
    let_try_again()
    remove_left_files()

    job.refresh_from_db()
    assert ran.outcome is Outcome.CANCELLED
    assert (left, told[1][3:], Upload.objects.count()) == (["a2"], (0, 1), 0)
    assert on_disk(media) == []
    assert [each[2:] for each in told_of(job)[1:]] == [(1, 1, 0), (1, 1, 0)]


def test_files_of_a_job_that_runs_or_waits_are_left_to_its_next_attempt(media: Path):
    upload(ANA, "a")
    for job in (make_running_job(), make_job()):
        PendingFile.objects.create(job_id=job.pk, store="s", field="hostapp.Upload.file", name="a")

    remove_left_files()

    assert (on_disk(media), pending()) == (["a"], ["a", "a"])


@postgresql_only
def test_of_two_jobs_that_erase_rows_with_the_same_file_at_once_the_last_to_commit_removes_it(media: Path):
    upload(ANA, "shared")
    Upload.objects.create(owner=BEN, file="shared")
    as_a_job_does = (
        f"DELETE FROM hostapp_upload WHERE owner = '{BEN}'",
        "INSERT INTO jobs_pendingfile (job_id, store, field, tries, name) "
        "VALUES (0, 'files', 'hostapp.Upload.file', 0, 'shared')",
    )

    with other_connection() as other, transaction_of(other, *as_a_job_does):
        run_map(USER, project=make_project())
        between = on_disk(media)
    remove_left_files()

    assert (between, on_disk(media)) == (["shared"], [])


def test_files_of_a_job_that_was_deleted_are_removed(media: Path, storage: Any):
    job = left_by_a_failed_job(media, storage)
    job.project.delete()

    remove_left_files()

    assert not Job.objects.exists()
    assert (on_disk(media), pending()) == ([], [])


def test_a_storage_that_hangs_keeps_maintenance_from_nothing_else(media: Path, storage: Any):
    left_by_a_failed_job(media, storage)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(name: str) -> None:
        hangs.set()
        goes_on.wait(20)

    storage(hang)
    group = ThreadGroup("test", on_failure=lambda: None)
    maintenance = Maintenance(group, on_rescue=lambda: None)
    maintenance.run()
    until(hangs.is_set, what="the storage to be called")
    let_try_again()
    first = maintenance._files
    maintenance.run()

    assert maintenance._files is first
    goes_on.set()
    first.join(20)
    assert on_disk(media) == []


def test_files_that_another_process_has_just_taken_are_left_to_it(monkeypatch: pytest.MonkeyPatch):
    for number in range(3):
        PendingFile.objects.create(job_id=1, store="s", field="f", name=str(number), tries=number)

    def meet_another(tries: int, **_: float) -> float:
        PendingFile.objects.filter(tries=2).update(tries=3)
        return 5

    alone = _take(PendingFile.objects.filter(tries__lt=2))
    monkeypatch.setattr("jobs.erasure.files.backoff", meet_another)
    both = _take(PendingFile.objects.all())

    assert (len(alone), both) == (2, [])
    assert not PendingFile.objects.filter(name__in=["0", "1"], next_try_at__lte=timezone.now()).exists()


def test_pruning_forgets_names_only_of_columns_that_no_model_has(media: Path, storage: Any, settings: Any):
    settings.JOBS = {"RETENTION_DAYS": 30}
    long_ago = timezone.now() - timedelta(days=31)
    storage(fail)
    for field, name in [("hostapp.Upload.file", "stuck"), ("hostapp.Upload.gone", "x"), ("gone.Model.file", "y")]:
        PendingFile.objects.create(job_id=1, store="s", field=field, name=name, noted_at=long_ago)
    PendingFile.objects.create(job_id=1, store="s", field="gone.Model.file", name="new")

    with kept_records() as records:
        call_command("prunejobs")

    assert pending() == ["new", "stuck"]
    texts = [record.getMessage() for record in records if record.levelname == "ERROR"]
    assert texts == [
        f"1 files of {field} were not removed: there is no such column any more"
        for field in ("gone.Model.file", "hostapp.Upload.gone")
    ]
