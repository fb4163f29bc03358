"""The order of claims is fair between organizations, and a search reads a bounded number of jobs."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Job
from jobs.status import Status
from jobs.workers.claim_order import PER_PROJECT, PROJECTS, WINDOW, ClaimOrder, seconds_to_next
from tests.support.factories import LONG_AGO, make_due_jobs, make_job, make_organization, make_project, make_running_job
from tests.support.plans import analyze, plans_on_jobs, scans

pytestmark = pytest.mark.django_db


def ids_of(order: ClaimOrder) -> list[int]:
    return [candidate.job_id for candidate in order.candidates()]


def test_organizations_with_the_fewest_running_jobs_come_first():
    busy, busier, idle = make_project(), make_project(), make_project()
    for project in (busy, busier, busier):
        make_running_job(project=project)
    first, second, third = (make_job(project=project).pk for project in (busier, busy, idle))

    assert ids_of(ClaimOrder()) == [third, second, first]


def test_projects_share_their_organization_s_turn_and_the_longest_due_comes_first_and_then_the_lowest_id():
    big = make_organization()
    later, sooner, same = (
        make_job(project=make_project(organization=big), due_at=LONG_AGO + timedelta(seconds=wait)).pk
        for wait in (5, 0, 0)
    )
    other = make_job(due_at=LONG_AGO + timedelta(hours=1)).pk

    assert ids_of(ClaimOrder()) == [sooner, other, same, later]


def test_a_job_that_is_not_due_or_not_waiting_is_no_candidate():
    make_job(due_at=timezone.now() + timedelta(minutes=1))
    for status in set(Status) - {Status.SCHEDULED}:
        make_job(status=status)

    assert ids_of(ClaimOrder()) == []


def test_a_search_returns_a_bounded_number_of_candidates_and_none_twice():
    for _ in range(PROJECTS + 5):
        make_due_jobs(make_project(), 6)

    candidates = ids_of(ClaimOrder())

    assert len(set(candidates)) == len(candidates) <= WINDOW + PROJECTS * PER_PROJECT


def test_beyond_the_window_the_first_jobs_of_each_project_are_found_in_turn():
    flood = make_project()
    make_due_jobs(flood, WINDOW)
    due_at = LONG_AGO + timedelta(days=1)
    projects = [make_project() for _ in range(PROJECTS + 20)]
    for project in projects:
        make_due_jobs(project, PER_PROJECT + 2, due_at=due_at)
    order = ClaimOrder()

    seen = {pk for _ in range(2) for pk in ids_of(order)}

    heads = Job.objects.filter(pk__in=seen).exclude(project=flood)
    per_project = Counter(heads.values_list("project_id", flat=True))
    assert per_project == {project.pk: PER_PROJECT for project in projects}
    assert max(heads.values_list("due_at", flat=True)) == due_at + timedelta(milliseconds=PER_PROJECT - 1)


def test_the_search_beyond_the_window_starts_again_after_the_last_project():
    make_due_jobs(make_project(), WINDOW)
    late = make_job(due_at=LONG_AGO + timedelta(days=1))
    order = ClaimOrder()

    assert all(late.pk in ids_of(order) for _ in range(3))


def test_the_hot_queries_use_their_indexes():
    for _ in range(30):
        make_due_jobs(make_project(), 200)
    analyze()
    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()
        seconds_to_next()

    plans = plans_on_jobs(captured)

    assert len(plans) == 5
    assert not scans(plans)


def test_the_time_to_the_next_job_is_that_of_the_job_that_is_due_first():
    assert seconds_to_next() is None
    make_job(due_at=timezone.now() + timedelta(minutes=10))
    make_job(due_at=timezone.now() + timedelta(minutes=5))
    soon = seconds_to_next()
    make_job()

    assert 290 < soon < 301
    assert seconds_to_next() == 0
