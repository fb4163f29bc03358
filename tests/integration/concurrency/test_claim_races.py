"""Several who claim at once: each job goes to one of them."""

from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError

from jobs.actors import SYSTEM
from jobs.db.connection import limited_transaction, outermost_transaction
from jobs.db.errors import ErrorKind, kind_of
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.status import Status
from jobs.workers.claim_order import ClaimOrder
from tests.support.concurrency import at_once
from tests.support.execution import ago
from tests.support.factories import WORKER, fence_of, make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = 300


def claim_all() -> list[tuple[int, int]]:
    """Claim five at a time until nothing is due; return what was got, with the attempt's number."""
    order, got = ClaimOrder(), []
    while candidates := order.candidates()[:5]:
        try:
            with limited_transaction():
                claimed = transitions.claim(
                    [candidate.job_id for candidate in candidates],
                    lease_token=uuid4(),
                    worker=WORKER,
                    lease=timedelta(seconds=45),
                )
        except DatabaseError as error:
            if kind_of(error) is not ErrorKind.CONFLICT:
                raise
        else:
            got += [(job.pk, job.attempt) for job in claimed]
    return got


def test_two_who_claim_never_get_the_same_job():
    projects = [make_project() for _ in range(3)]
    jobs = [make_job(project=projects[number % 3]) for number in range(JOBS)]

    got = [claimed for answer in at_once(*[claim_all] * 4) for claimed in answer]

    assert Counter(got) == {(job.pk, 1): 1 for job in jobs}
    assert JobEvent.objects.filter(what=JobEvent.What.CLAIMED).count() == JOBS


def test_two_who_rescue_the_same_jobs_rescue_each_once():
    project = make_project()
    jobs = [make_running_job(project=project, lease_expires_at=ago(5)) for _ in range(60)]

    def rescue_all() -> int:
        rescued = 0
        for job in jobs:
            with outermost_transaction():
                rescued += transitions.rescue(
                    fence_of(job), seen=job.lease_expires_at, begun=True, note="", actor=SYSTEM
                )
        return rescued

    rescued = sum(at_once(rescue_all, rescue_all))

    assert rescued <= len(jobs)
    assert rescued == Job.objects.filter(status=Status.SCHEDULED, crashes=1).count()
    assert rescued == JobEvent.objects.filter(what=JobEvent.What.RESCUED).count()
    assert not Job.objects.filter(crashes__gt=1).exists()
