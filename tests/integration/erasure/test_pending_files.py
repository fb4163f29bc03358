"""Files of erased rows are not lost: whatever fails, they are removed later, and the job is not completed before."""

from pathlib import Path
from typing import Any, Final

import pytest
from django.db.models.signals import post_delete

from jobs.db import failpoints
from jobs.erasure.subjects import EraseHandler
from jobs.execution.runner import Outcome
from jobs.models import PendingFile
from tests.support.erase_maps import run_map, told_of, try_map
from tests.support.execution import ANA, claim_again, run_attempt
from tests.support.factories import make_project, make_running_job
from tests.support.hostapp.models import Upload
from tests.support.logs import kept_records
from tests.support.uploads import USER, fail, fail_for, on_disk, pending, upload

pytestmark = pytest.mark.django_db(transaction=True)

SECRET: Final = "ana-is-ill.pdf"


def test_the_job_is_not_completed_while_a_storage_fails_and_its_next_attempt_removes_what_is_left(
    media: Path, storage: Any
):
    upload(ANA, SECRET, "a2")
    storage(fail)
    job = make_running_job(action="trial", project=make_project(), reference_id=ANA)

    with kept_records() as records:
        ran, job = run_attempt(EraseHandler(USER), job)
    told, left, tries = told_of(job), on_disk(media), set(PendingFile.objects.values_list("tries", flat=True))
    storage(lambda name: None)
    again, job = run_attempt(EraseHandler(USER), claim_again(job))

    assert (ran.outcome, again.outcome) == (Outcome.RETRYING, Outcome.COMPLETED)
    assert left == ["a2", SECRET]
    assert told[1:] == [("Upload.file", "removed", 1, 0, 1), ("Upload.cover", "removed", 1, 0, 1)]
    assert tries == {1}
    assert not Upload.objects.exists()
    assert on_disk(media) == []
    assert told_of(job)[1:] == [("Upload.file", "removed", 1, 1, 0), ("Upload.cover", "removed", 1, 1, 0)]
    texts = [record.getMessage() for record in records] + list(job.events.values_list("note", "detail"))
    assert any("hostapp.Upload.file" in str(each) and "PermissionError" in str(each) for each in texts)
    assert SECRET not in str(texts)


def test_integrators_read_which_files_a_storage_did_not_remove(media: Path, storage: Any):
    upload(ANA, "a1", "a2")
    storage(fail)

    _, job = try_map(USER, project=make_project())

    assert job.errors == (
        "There are still files of hostapp.Upload.cover, hostapp.Upload.file: their storage did not remove them."
    )


def test_only_files_are_noted_whose_rows_go_in_the_same_chunk(media: Path, monkeypatch: pytest.MonkeyPatch):
    for module in ("execution.erasing", "erasure.running"):
        monkeypatch.setattr(f"jobs.{module}.BIGGEST_BATCH", 2)
    for number in range(5):
        upload(ANA, f"a{number}")
    noted = []

    def hear(**_: Any) -> None:  # rows that are heard of go one by one
        noted.append(PendingFile.objects.count())

    post_delete.connect(hear, sender=Upload)
    try:
        run_map(USER, project=make_project())
    finally:
        post_delete.disconnect(hear, sender=Upload)

    assert noted == [2, 2, 4, 4, 5]


def test_one_file_that_cannot_be_removed_keeps_no_other(media: Path, storage: Any):
    for number in range(5):
        upload(ANA, f"a{number}")
    storage(fail_for("a1"))

    outcome, job = try_map(USER, project=make_project())

    assert outcome is Outcome.FAILED
    assert on_disk(media) == ["a1"]
    assert told_of(job)[1] == ("Upload.file", "removed", 5, 4, 1)


@pytest.mark.parametrize("failing", ["", "a1"])
def test_a_slow_storage_has_each_file_tried_once_in_an_attempt(
    media: Path, storage: Any, monkeypatch: pytest.MonkeyPatch, failing: str
):
    monkeypatch.setattr("jobs.erasure.files.BATCH_SECONDS", 0)  # after one file
    for number in range(4):
        upload(ANA, f"a{number}")
    called: list[str] = []

    def call(name: str) -> None:
        called.append(name)
        fail_for(failing)(name)

    storage(call)
    try_map(USER, project=make_project())

    assert len(set(called)) == len(called)
    assert called[-1] == failing if failing else len(called) == 4
    assert on_disk(media) == sorted({"a0", "a1", "a2", "a3"} - (set(called) - {failing}))


def test_an_attempt_ends_where_a_storage_removes_none_of_a_batch(
    media: Path, storage: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.erasure.files.MOST_FILES", 2)
    for number in range(6):
        upload(ANA, f"a{number}")
    called: list[str] = []

    def call(name: str) -> None:
        called.append(name)
        if len(called) > 1:
            fail(name)

    storage(call)
    outcome, job = try_map(USER, project=make_project())

    assert (outcome, len(called), len(on_disk(media))) == (Outcome.FAILED, 4, 5)
    assert told_of(job)[1] == ("Upload.file", "removed", 6, 1, 5)


@pytest.mark.parametrize("place", ["files.taken", "files.removed"])
def test_an_attempt_that_dies_beside_its_files_leaves_them_to_the_next(
    media: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    upload(ANA, "a1", "a2")

    def die(reached: str) -> None:
        if reached == place:
            raise KeyboardInterrupt

    monkeypatch.setattr(failpoints, "hook", die)
    ran, job = run_attempt(
        EraseHandler(USER), make_running_job(action="trial", project=make_project(), reference_id=ANA)
    )
    monkeypatch.setattr(failpoints, "hook", None)
    again, job = run_attempt(EraseHandler(USER), claim_again(job))

    assert (ran.outcome, again.outcome) == (Outcome.RETRYING, Outcome.COMPLETED)
    assert (on_disk(media), pending()) == ([], [])
    assert told_of(job)[1:] == [("Upload.file", "removed", 1, 1, 0), ("Upload.cover", "removed", 1, 1, 0)]
