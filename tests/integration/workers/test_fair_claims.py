"""The order of claims over hundreds of claims: the jobs of one organization do not keep others waiting."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from jobs.lifecycle import transitions
from jobs.models import Job
from jobs.workers.claim_order import ClaimOrder
from tests.support.factories import LONG_AGO, WORKER, make_due_jobs, make_organization, make_project

pytestmark = pytest.mark.django_db

THREADS = 4


def organizations_of(*, claims: int, ends_at_once: bool, threads: int) -> set[Any]:
    """Claim jobs for ``threads`` at a time; return the organizations whose jobs were claimed."""
    order, owners, claimed = ClaimOrder(), set(), 0
    while claimed < claims:
        candidates = order.candidates()[:threads]
        ids = [candidate.job_id for candidate in candidates]
        jobs = transitions.claim(ids, lease_token=uuid4(), worker=WORKER, lease=timedelta(seconds=45))
        assert len(jobs) == len(candidates)
        order.note_turns(candidates)
        owners |= {candidate.organization_id for candidate in candidates}
        claimed += len(jobs)
        if ends_at_once:
            Job.objects.filter(pk__in=[job.pk for job in jobs]).delete()
    return owners


@pytest.mark.parametrize(
    ("projects", "jobs", "threads", "ends_at_once"),
    [(150, 10, THREADS, True), *((1, 3_000, threads, ends) for threads in (1, THREADS) for ends in (True, False))],
)
def test_jobs_of_49_organizations_are_claimed_beside_the_flood_of_one_in_one_project_or_many(
    projects: int, jobs: int, threads: int, ends_at_once: bool
):
    flooding = make_organization()
    for _ in range(projects):
        make_due_jobs(make_project(organization=flooding), jobs)
    for _ in range(49):
        make_due_jobs(make_project(), 2, due_at=LONG_AGO + timedelta(days=1))

    assert len(organizations_of(claims=200, ends_at_once=ends_at_once, threads=threads)) == 50
