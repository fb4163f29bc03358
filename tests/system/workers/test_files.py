"""Files of erased rows, where workers are killed between the commit and the removal."""

import signal
from pathlib import Path
from typing import Any

import pytest

from jobs import cancel_job
from jobs.actors import SYSTEM
from jobs.models import Job
from jobs.processes.process import EXIT_FOR_SUPERVISOR
from jobs.status import Status
from tests.support.concurrency import until
from tests.support.erase_maps import told_of
from tests.support.execution import ANA, BEN
from tests.support.factories import make_job
from tests.support.hostapp.models import Upload
from tests.support.uploads import on_disk, pending, upload
from tests.support.worker_process import until_status, worker_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]


@pytest.fixture
def media(tmp_path: Path, settings: Any) -> Path:
    directory = tmp_path / "media"
    directory.mkdir()
    settings.MEDIA_ROOT = str(directory)
    for number in range(20):
        upload(ANA, f"a{number}", f"c{number}")
        upload(BEN, f"b{number}")
    return directory


def fail_at(place: str, media: Path, tmp_path: Path, **variables: str) -> int:
    """Let a worker run until it kills itself at a failpoint, or ends as it hangs there; return its exit status."""
    once = tmp_path / "once"
    once.touch()
    facts = {"MEDIA_ROOT": str(media), "FAIL_AT": place, "FAIL_ONCE": str(once), **variables}
    with worker_process(settings="tests.settings_files", **facts) as worker:
        return worker.wait(60)


@pytest.mark.parametrize(("place", "left"), [("files.taken", 40), ("files.removed", 20)])
def test_the_next_attempt_removes_what_a_killed_worker_has_left(media: Path, tmp_path: Path, place: str, left: int):
    job = make_job(action="erase_uploads", reference_id=ANA)

    assert fail_at(place, media, tmp_path) == -signal.SIGKILL
    there, noted, rows = len(on_disk(media)) - 20, len(pending()), Upload.objects.filter(owner=ANA).count()
    with worker_process(settings="tests.settings_files", MEDIA_ROOT=str(media)) as worker:
        until_status(job, Status.COMPLETED, worker=worker)

    job = Job.objects.get(pk=job.pk)
    assert (there, noted, rows) == (left, 40, 0)
    assert on_disk(media) == sorted(f"b{number}" for number in range(20))
    assert pending() == []
    assert [each[2:] for each in told_of(job)] == [(20, 20, 0)] * 3


def test_a_worker_that_has_no_job_removes_what_a_cancelled_job_of_a_killed_worker_has_left(media: Path, tmp_path: Path):
    job = make_job(action="erase_uploads", reference_id=ANA)

    assert fail_at("files.taken", media, tmp_path) == -signal.SIGKILL
    cancel_job(job.pk, project=job.project, actor=SYSTEM)
    with worker_process(settings="tests.settings_files", MEDIA_ROOT=str(media)):
        until(lambda: not pending(), what="the files to be removed", seconds=60)

    job.refresh_from_db()
    assert on_disk(media) == sorted(f"b{number}" for number in range(20))
    assert job.status == Status.CANCELLED
    assert [each[2:] for each in told_of(job)] == [(20, 20, 0)] * 3


def test_a_storage_that_hangs_costs_the_attempt_and_not_the_files(media: Path, tmp_path: Path):
    job = make_job(action="erase_uploads", reference_id=ANA)

    status = fail_at("files.taken", media, tmp_path, HANG_SECONDS="600")
    noted = len(pending())
    Job.objects.filter(pk=job.pk).update(due_at=job.created_at)  # without the wait after a failure
    with worker_process(settings="tests.settings_files", MEDIA_ROOT=str(media)) as worker:
        until_status(job, Status.COMPLETED, worker=worker)

    assert (status, noted) == (EXIT_FOR_SUPERVISOR, 40)
    assert on_disk(media) == sorted(f"b{number}" for number in range(20))
    assert job.failures == 1
