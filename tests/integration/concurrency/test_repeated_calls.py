"""One request sent by many at the same time, and batches that want the same jobs."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from jobs import schedule_job
from jobs.actors import SYSTEM
from jobs.db import failpoints
from jobs.exceptions import ActiveJobExists, BatchConflict, Busy, ConcurrentChange, IdempotencyKeyReused, JobsError
from jobs.models import Job, JobEvent
from jobs.services.commands.idempotency import IdempotentRequest, Scheduled
from jobs.services.commands.schedule import NewJob, request_job
from jobs.services.commands.schedule_batch import request_jobs
from tests.support.api_client import Api
from tests.support.concurrency import (
    PATIENCE_SECONDS,
    InThread,
    at_once,
    blocked,
    postgresql_only,
    somebody_waits_for_a_lock,
    until,
)
from tests.support.factories import make_key, make_project

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8
ROUNDS = 4
REQUEST = IdempotentRequest(digest="d" * 64, body="b" * 64)
OTHER_BODY = IdempotentRequest(digest=REQUEST.digest, body="c" * 64)


def request(project: Any, action: str = "touch", *, idempotent: IdempotentRequest = REQUEST) -> Scheduled:
    new_job = NewJob(action=action, reference_id="a")
    return request_job(lambda: new_job, project=project, actor=SYSTEM, request=idempotent)


def request_batch(project: Any, references: list[str], *, idempotent: IdempotentRequest | None = None) -> Scheduled:
    new_jobs = [NewJob(action="touch_once", reference_id=reference) for reference in references]
    return request_jobs(lambda: new_jobs, project=project, actor=SYSTEM, request=idempotent)


@pytest.mark.parametrize("action", ["touch_publicly", "touch_publicly_once"])
def test_one_request_sent_by_many_creates_one_job_and_all_are_told_of_it(action: str):
    project = make_project()
    secret = make_key(organization=project.organization).secret

    def post(key: str) -> tuple[int, bool, int | str]:
        headers = {"Idempotency-Key": key}
        answer = Api(project=project, secret=secret).post(
            "/jobs", {"action": action, "referenceId": f"{key}@example.com"}, headers=headers
        )
        body = answer.json()
        return (
            answer.status_code,
            "Idempotent-Replayed" in answer,
            body["data"]["jobId"] if "data" in body else str(body),
        )

    for number in range(ROUNDS):
        answers = at_once(*[partial(post, f"key-{number}")] * THREADS)

        job = Job.objects.latest("pk")
        assert Counter(answers) == {(201, False, job.pk): 1, (201, True, job.pk): THREADS - 1}
    assert Job.objects.count() == JobEvent.objects.count() == ROUNDS


def test_one_batch_sent_by_many_creates_its_jobs_once():
    project = make_project()
    references = [f"user-{number}" for number in range(50)]

    answers = at_once(*[partial(request_batch, project, references, idempotent=REQUEST)] * THREADS)

    assert Counter(answer.replayed for answer in answers) == {False: 1, True: THREADS - 1}
    for answer in answers:
        assert [job.reference_id for job in answer.jobs] == references
    assert set(Job.objects.all()) == {job for answer in answers for job in answer.jobs}
    assert Job.objects.count() == len(references)


@postgresql_only
@pytest.mark.parametrize("action", ["touch", "touch_once"])
@pytest.mark.parametrize("commits", [True, False])
def test_a_repeated_request_waits_for_the_first_and_gets_its_job_if_it_commits(action: str, commits: bool):
    project = make_project()

    with transaction.atomic():
        first = request(project, action)
        again = blocked(lambda: request(project, action))
        transaction.set_rollback(not commits)

    answer = again.result()
    assert answer.replayed is commits
    assert list(Job.objects.all()) == list(answer.jobs)
    if commits:
        assert answer == Scheduled(jobs=[first.jobs[0]], replayed=True)


@postgresql_only
def test_another_request_under_the_key_waits_for_the_first_and_is_refused():
    project = make_project()

    with transaction.atomic():
        request(project)
        other = blocked(lambda: request(project, idempotent=OTHER_BODY))

    with pytest.raises(IdempotencyKeyReused):
        other.result()
    assert Job.objects.count() == 1


@pytest.fixture
def committing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set once somebody has inserted, and then tarries before the commit."""
    reached = threading.Event()

    def tarry(place: str) -> None:
        if place == "create.before_commit" and not reached.is_set():
            reached.set()
            time.sleep(0.3)

    monkeypatch.setattr(failpoints, "hook", tarry)
    return reached


def test_a_request_that_comes_while_the_first_commits_gets_its_job(committing: threading.Event):
    project = make_project()
    first = InThread(lambda: request(project))
    assert committing.wait(PATIENCE_SECONDS)

    again = request(project)

    assert again == Scheduled(jobs=list(first.result().jobs), replayed=True)


def test_of_batches_that_want_the_same_jobs_in_other_orders_one_wins_and_none_is_stuck():
    project = make_project()
    references = [f"user-{number:03}" for number in range(100)]

    def create(number: int) -> str:
        mine = references if number % 2 else references[::-1]
        try:
            request_batch(project, mine[number:] + mine[:number])
        except BatchConflict as error:
            return f"told of {len(error.conflicts)}"
        return "won"

    for _ in range(ROUNDS):
        answers = at_once(*(partial(create, number) for number in range(THREADS)))

        assert Counter(answers) == {"won": 1, "told of 100": THREADS - 1}
        assert Job.objects.count() == JobEvent.objects.count() == 100
        JobEvent.objects.all().delete()
        Job.objects.all().delete()


def test_a_batch_and_single_jobs_for_the_same_references():
    project = make_project()
    references = [f"user-{number}" for number in range(THREADS)]
    one = partial(schedule_job, "touch_once", project=project)
    works = [partial(request_batch, project, references), *(partial(one, reference_id=each) for each in references)]

    met = at_once(*(partial(error_of, work) for work in works))

    assert met in ([None, *[ActiveJobExists] * THREADS], [BatchConflict, *[None] * THREADS])
    assert Job.objects.count() == len(references)


@postgresql_only
def test_a_deadlock_with_the_host_s_own_inserts_is_a_typed_error_and_creates_nothing():
    project = make_project()

    batch_met, host_met = meet_the_host(project, first="b", second="a")

    assert (batch_met, host_met) in ((Busy, None), (None, ConcurrentChange))
    assert set(Job.objects.values_list("reference_id", flat=True)) == {"a", "b"}
    assert Job.objects.count() == JobEvent.objects.count() == 2


@postgresql_only
def test_a_batch_inserts_in_one_order_whatever_was_sent_so_that_two_never_wait_for_each_other():
    project = make_project()

    batch_met, host_met = meet_the_host(project, first="a", second="b")

    assert (batch_met, host_met) == (BatchConflict, None)
    assert Job.objects.count() == 2


def meet_the_host(project: Any, *, first: str, second: str) -> tuple[type[JobsError] | None, type[JobsError] | None]:
    """Let a batch of b and a meet the first of two jobs of a host's transaction; return what each side met."""
    begun = threading.Event()

    def two_jobs() -> None:
        with transaction.atomic():
            schedule_job("touch_once", project=project, reference_id=first)
            begun.set()
            until(somebody_waits_for_a_lock, what="the batch meets the host's first job")
            schedule_job("touch_once", project=project, reference_id=second)

    host = InThread(two_jobs)
    assert begun.wait(PATIENCE_SECONDS)
    return error_of(lambda: request_batch(project, ["b", "a"])), error_of(host.result)


def error_of(work: Callable[[], Any]) -> type[JobsError] | None:
    try:
        work()
    except JobsError as error:
        return type(error)
    return None
