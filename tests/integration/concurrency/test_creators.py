"""Sixty-four creators of one unique job, on connections of their own."""

import threading
from collections import Counter
from functools import partial

import pytest

from jobs import schedule_job
from jobs.exceptions import ActiveJobExists
from jobs.models import Job, JobEvent
from tests.support.concurrency import InThread
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 16
TRIES = 4


def test_of_sixty_four_creators_one_wins_and_the_others_are_told_who():
    project = make_project()
    start = threading.Barrier(THREADS)

    def create() -> list[tuple[str, int]]:
        answers = []
        start.wait(20)
        for _ in range(TRIES):
            try:
                job = schedule_job("touch_once", project=project, reference_id="mehdi@example.com")
                answers.append(("won", job.pk))
            except ActiveJobExists as error:
                answers.append(("told", error.job.pk))
        return answers

    creators = [InThread(create) for _ in range(THREADS)]
    answers = [answer for creator in creators for answer in creator.result()]

    (job,) = Job.objects.all()
    assert Counter(answers) == {("won", job.pk): 1, ("told", job.pk): THREADS * TRIES - 1}
    assert JobEvent.objects.count() == 1


def test_creators_for_different_references_do_not_stand_in_each_other_s_way():
    project = make_project()
    start = threading.Barrier(THREADS)

    def create(reference_id: str) -> int:
        start.wait(20)
        return schedule_job("touch_once", project=project, reference_id=reference_id).pk

    creators = [InThread(partial(create, f"user-{number}@example.com")) for number in range(THREADS)]
    created = {creator.result() for creator in creators}

    assert created == set(Job.objects.values_list("pk", flat=True))
    assert len(created) == THREADS
