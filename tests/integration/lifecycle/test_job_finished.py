"""``job_finished``: host code hears of an end once it is committed, and can do no harm."""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from jobs import cancel_job
from jobs.models import Job
from jobs.processes.rescuer import Rescuer
from jobs.signals import job_finished
from jobs.status import Status
from jobs.testing import make_job, run_due_jobs
from tests.support.execution import make_expired_job, refuse, registered_action, stumble

pytestmark = pytest.mark.django_db(transaction=True)

Listen = Callable[[Callable[..., None]], None]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Connects receivers for as long as the test lasts."""
    receivers: list[Any] = []

    def connect(receiver: Callable[..., None]) -> None:
        receivers.append(receiver)
        job_finished.connect(receiver, sender=Job, weak=False)

    yield connect
    for receiver in receivers:
        job_finished.disconnect(receiver, sender=Job)


@pytest.fixture
def heard(listen: Listen) -> list[tuple[int, Status, bool]]:
    """What was sent: the job's id, its status – the row's and the argument's are the same – and if it is committed."""
    found: list[tuple[int, Status, bool]] = []

    def note(*, job: Job, status: Status, **_: Any) -> None:
        assert job.status == status
        found.append((job.pk, status, not connection.in_atomic_block))

    listen(note)
    return found


@pytest.mark.parametrize(
    ("handler", "status"), [(lambda job: None, Status.COMPLETED), (refuse, Status.FAILED), (stumble, None)]
)
def test_an_end_in_a_worker_is_told_once_and_after_its_commit_and_an_attempt_that_will_be_repeated_is_none(
    handler: Any, status: Status | None, heard: list[Any]
):
    with registered_action(handler, max_attempts=2) as name:
        job = make_job(name)
        run_due_jobs()

    assert heard == ([(job.pk, status, True)] if status else [])


def test_a_cancel_is_told_when_the_host_s_transaction_commits(heard: list[Any]):
    with registered_action(lambda job: None) as name:
        job, kept = make_job(name), make_job(name)
    with transaction.atomic():
        cancel_job(job.pk, project=job.project)
        before = list(heard)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        cancel_job(kept.pk, project=kept.project)
        _ = 1 / 0

    assert before == []
    assert heard == [(job.pk, Status.CANCELLED, True)]


def test_a_job_that_is_given_up_is_told_and_logged(heard: list[Any], caplog: pytest.LogCaptureFixture):
    job = make_expired_job(crashes=2)
    rescuer = Rescuer()

    rescuer.rescue(monotonic=1000)
    rescuer.rescue(monotonic=1000 + timedelta(minutes=5).total_seconds())

    assert heard == [(job.pk, Status.FAILED, True)]
    assert caplog.messages == [f"job={job.pk} failed after too many crashes"]


def test_a_receiver_that_raises_harms_neither_the_job_nor_other_receivers(
    listen: Listen, heard: list[Any], caplog: pytest.LogCaptureFixture
):
    def careless(**_: Any) -> None:
        raise ValueError("ana@example.com")

    listen(careless)
    listen(lambda *, job, **_: heard.append(job.pk))
    with caplog.at_level(logging.ERROR, logger="jobs"), registered_action(lambda job: None) as name:
        job = make_job(name)
        (ran,) = run_due_jobs()

    assert ran.status == Status.COMPLETED
    assert heard == [(job.pk, Status.COMPLETED, True), job.pk]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("jobs.")]
    assert any("careless" in line and "ValueError" in line for line in ours)
    assert not any("ana@example.com" in line for line in ours)


def test_a_receiver_that_leaves_a_transaction_open_spoils_nothing(listen: Listen, caplog: pytest.LogCaptureFixture):
    def forgetful(**_: Any) -> None:
        transaction.atomic().__enter__()

    listen(forgetful)
    with caplog.at_level(logging.ERROR, logger="jobs"), registered_action(lambda job: None) as name:
        make_job(name)
        make_job(name)
        ran = run_due_jobs()

    assert [job.status for job in ran] == [Status.COMPLETED] * 2
    assert not connection.in_atomic_block
    assert "job_finished: ActionMisused" in caplog.text
