"""A disabled organization: its keys open nothing, its jobs wait unchanged, nobody else notices."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.exceptions import InvalidField
from jobs.models import Job, Organization
from jobs.services.commands.pauses import pause_jobs
from jobs.services.reports.health import check_health
from jobs.services.tenants.api_keys import find_access
from jobs.services.tenants.projects import disable_organization, enable_organization
from jobs.status import Status
from jobs.workers.claim_order import PROJECTS, WINDOW, ClaimOrder, seconds_to_next
from jobs.workers.worker import JobWorker
from tests.support.execution import registered_action
from tests.support.factories import LONG_AGO, make_job, make_key, make_organization, make_project
from tests.support.plans import plans_on_jobs, scans

pytestmark = pytest.mark.django_db

LATER = LONG_AGO + timedelta(days=1)


@pytest.fixture(autouse=True)
def actions():
    """An action that jobs of these tests name beside ``touch``."""
    with registered_action(lambda job: None, "other"):
        yield


def candidates(order: ClaimOrder | None = None) -> set[int]:
    return {candidate.job_id for candidate in (order or ClaimOrder()).candidates()}


def make_due_jobs(project: Any, count: int, **what_matters: Any) -> None:
    columns = {"action": "touch", "created_at": LONG_AGO, "start_at": LONG_AGO, "due_at": LONG_AGO, **what_matters}
    Job.objects.bulk_create([Job(project=project, reference_id="a", **columns) for _ in range(count)])


def disable(*projects: Any) -> None:
    for project in projects:
        disable_organization(project.organization.name)


def test_its_jobs_are_not_claimed_and_nobody_elses_are_held():
    held, free = make_project(), make_project()
    make_job(project=held)
    make_job(project=make_project(organization=held.organization))
    claimable = make_job(project=free)

    disable(held)

    assert candidates() == {claimable.pk}


def test_its_jobs_stay_as_they_are_and_are_there_again_afterwards():
    project = make_project()
    job = make_job(project=project)
    before = Job.objects.filter(pk=job.pk).values().get()

    disable(project)
    while_disabled = candidates(), Job.objects.filter(pk=job.pk).values().get()
    enable_organization(project.organization.name)

    assert while_disabled == (set(), before)
    assert candidates() == {job.pk}
    assert Job.objects.filter(pk=job.pk).values().get() == before


def test_what_runs_goes_on():
    running = make_job(status=Status.RUNNING)

    disable(running.project)

    running.refresh_from_db()
    assert running.status == Status.RUNNING


@pytest.mark.django_db(transaction=True)
def test_a_worker_leaves_its_jobs_and_takes_them_once_it_is_enabled():
    held, free = make_project(), make_project()
    job = make_job(project=held)
    disable(held)
    ended_by = {}

    for turn in ("disabled", "enabled"):
        worker = JobWorker(threads=1)
        with registered_action(lambda job, worker=worker: worker.stop(), "stop"):
            make_job(project=free, action="stop", due_at=LATER)
            worker.run()
        ended_by[turn] = set(Job.objects.filter(status=Status.COMPLETED).values_list("pk", flat=True))
        enable_organization(held.organization.name)

    assert job.pk not in ended_by["disabled"]
    assert job.pk in ended_by["enabled"]


def test_disabling_again_keeps_since_when():
    organization = make_organization()
    first = disable_organization(organization.name)

    again = disable_organization(organization.name)

    assert first.disabled_at is not None
    assert abs(timezone.now() - first.disabled_at) < timedelta(minutes=1)
    assert again.disabled_at == first.disabled_at


def test_enabling_tells_whether_it_was_disabled():
    organization = make_organization()
    disable_organization(organization.name)

    told = [enable_organization(organization.name) for _ in range(2)]

    assert told == [True, False]
    assert Organization.objects.get(pk=organization.pk).disabled_at is None


@pytest.mark.parametrize("verb", [disable_organization, enable_organization])
def test_an_organization_that_does_not_exist_is_refused(verb):
    with pytest.raises(InvalidField, match="^organization: "):
        verb("Nobody")


def test_pauses_and_disabled_organizations_hold_together():
    paused, disabled, both, free = (make_project() for _ in range(4))
    for project in (paused, disabled, both):
        make_job(project=project)
    make_job(project=free)
    other = make_job(project=free, action="other")
    pause_jobs(project=paused, reason="x")
    pause_jobs(action="touch", project=free, reason="x")
    pause_jobs(project=both, reason="x")
    disable(disabled, both)

    assert candidates() == {other.pk}


def test_the_next_due_time_passes_over_its_jobs():
    soon = make_job(due_at=timezone.now() + timedelta(minutes=1))
    make_job(due_at=timezone.now() + timedelta(minutes=10))
    disable(soon.project)

    seconds = seconds_to_next()

    assert seconds is not None
    assert 590 < seconds < 601


def test_while_only_its_jobs_wait_there_is_no_next_due_time():
    disable(make_job().project)

    assert seconds_to_next() is None


def test_health_counts_its_jobs_as_held_and_not_as_overdue():
    job = make_job()
    disable(job.project)

    health = check_health()

    assert health.oldest_overdue is None
    assert health.oldest_paused is not None
    assert health.oldest_paused.job_id == job.pk


def test_its_keys_open_nothing_until_it_is_enabled():
    project = make_project()
    secret = make_key(organization=project.organization).secret
    others = make_key().secret
    disable(project)

    while_disabled = [find_access(key, project_key=project.key) for key in (secret, others)]
    enable_organization(project.organization.name)

    assert [access is None for access in while_disabled] == [True, False]
    assert find_access(secret, project_key=project.key)


# ---------------------------------------------------------------- a flood of held jobs


def test_a_flood_of_its_jobs_hides_nobody():
    flood = make_project()
    make_due_jobs(flood, WINDOW + 50)
    free = make_job(due_at=LATER)
    disable(flood)

    assert candidates() == {free.pk}
    assert seconds_to_next() == 0


def test_beyond_the_window_its_projects_use_up_no_places_and_hide_nobody():
    make_due_jobs(make_project(), WINDOW, action="other")
    leaving, gone = make_organization(), []
    for _ in range(PROJECTS + 20):
        project = make_project(organization=leaving)
        make_due_jobs(project, 2)
        gone.append(project)
    late = make_job(due_at=LATER)
    disable_organization(leaving.name)

    found = candidates()

    assert late.pk in found
    assert not Job.objects.filter(pk__in=found, project__in=gone).exists()


def test_beyond_the_window_paused_and_disabled_are_left_out_together():
    make_due_jobs(make_project(), WINDOW, action="other")
    paused, disabled, free = (make_project() for _ in range(3))
    for project in (paused, disabled, free):
        make_due_jobs(project, 1, due_at=LATER)
    pause_jobs(project=paused, reason="x")
    disable(disabled)

    found = Job.objects.filter(pk__in=candidates(), project__in=[paused, disabled, free])

    assert list(found.values_list("project", flat=True)) == [free.pk]


def test_a_claim_costs_no_further_statement_however_many_are_disabled():
    make_due_jobs(make_project(), WINDOW + 1, action="other")
    disable(*(make_project() for _ in range(30)))

    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()

    assert len(captured) == 5
    assert max(len(query["sql"]) for query in captured.captured_queries) < 5_000


def test_the_queries_of_a_claim_use_their_indexes_then_too():
    for _ in range(30):
        make_due_jobs(make_project(), 200)
    disable(*(make_project() for _ in range(30)))
    pause_jobs(action="other", reason="x")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()
        seconds_to_next()

    plans = plans_on_jobs(captured)

    assert len(plans) == 5
    assert not scans(plans)


def test_what_is_held_is_looked_up_in_one_statement_served_by_an_index():
    with CaptureQueriesContext(connection) as captured:
        seconds_to_next()

    (lookup,) = [query["sql"] for query in captured.captured_queries if "disabled_at" in query["sql"]]
    assert "jobs_pause" in lookup
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {lookup}")
            assert "jobs_organization_disabled" in json.dumps(cursor.fetchall())
