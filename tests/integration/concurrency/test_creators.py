"""Sixty-four creators of one unique job, on connections of their own."""

from collections import Counter
from functools import partial

import pytest

from jobs import schedule_job
from jobs.exceptions import ActiveJobExists
from jobs.models import Job, JobEvent
from tests.support.concurrency import at_once
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 16
TRIES = 4


def test_of_sixty_four_creators_one_wins_and_the_others_are_told_who():
    project = make_project()

    def create() -> list[tuple[str, int]]:
        answers = []
        for _ in range(TRIES):
            try:
                job = schedule_job("touch_once", project=project, reference_id="mehdi@example.com")
                answers.append(("won", job.pk))
            except ActiveJobExists as error:
                answers.append(("told", error.job.pk))
        return answers

    answers = [answer for answered in at_once(*[create] * THREADS) for answer in answered]

    (job,) = Job.objects.all()
    assert Counter(answers) == {("won", job.pk): 1, ("told", job.pk): THREADS * TRIES - 1}
    assert JobEvent.objects.count() == 1


def test_creators_for_different_references_do_not_stand_in_each_other_s_way():
    create = partial(schedule_job, "touch_once", project=make_project())

    jobs = at_once(*(partial(create, reference_id=f"user-{number}@example.com") for number in range(THREADS)))

    assert {job.pk for job in jobs} == set(Job.objects.values_list("pk", flat=True))
    assert len(set(jobs)) == THREADS
