"""Jobs that are paused, or of a disabled organization, are not claimed and keep no other job from being claimed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Job
from jobs.services.commands.pauses import pause_jobs, resume_jobs
from jobs.services.tenants.projects import disable_organization, enable_organization
from jobs.status import Status
from jobs.workers.claim_order import PROJECTS, WINDOW, ClaimOrder, seconds_to_next
from jobs.workers.worker import JobWorker
from tests.support.execution import make_due_jobs, registered_action
from tests.support.factories import LONG_AGO, make_job, make_organization, make_project
from tests.support.plans import plans_on_jobs, scans

pytestmark = pytest.mark.django_db

LATER = LONG_AGO + timedelta(days=1)
WHY = "The disk is full."


@dataclass(frozen=True)
class Exclusion:
    """A way to keep the jobs ``touch`` of a project from being claimed, and the way back."""

    name: str
    apply: Callable[[Any], object]
    lift: Callable[[Any], object]

    def __str__(self) -> str:
        return self.name


PAUSED_ACTION = Exclusion(
    "paused action", lambda _: pause_jobs(action="touch", reason=WHY), lambda _: resume_jobs(action="touch")
)
PAUSED_PROJECT = Exclusion(
    "paused project",
    lambda project: pause_jobs(project=project, reason=WHY),
    lambda project: resume_jobs(project=project),
)
DISABLED = Exclusion(
    "disabled organization",
    lambda project: disable_organization(project.organization.name),
    lambda project: enable_organization(project.organization.name),
)


@pytest.fixture(params=[PAUSED_ACTION, PAUSED_PROJECT, DISABLED], ids=str)
def exclusion(request: pytest.FixtureRequest) -> Exclusion:
    return request.param


@pytest.fixture(autouse=True)
def _other_action() -> Iterator[None]:
    """An action beside ``touch``, of the jobs that are not excluded."""
    with registered_action(lambda job: None, "other"):
        yield


def candidates(order: ClaimOrder | None = None) -> set[int]:
    return {candidate.job_id for candidate in (order or ClaimOrder()).candidates()}


def row_of(job: Job) -> dict[str, Any]:
    return Job.objects.filter(pk=job.pk).values().get()


def test_an_excluded_job_is_not_claimed_and_stays_as_it_is_until_the_exclusion_is_lifted(exclusion: Exclusion):
    job, free = make_job(), make_job(action="other")
    before = row_of(job)

    exclusion.apply(job.project)
    while_excluded = candidates(), row_of(job)
    exclusion.lift(job.project)

    assert while_excluded == ({free.pk}, before)
    assert candidates() == {job.pk, free.pk}
    assert row_of(job) == before


def test_a_running_job_goes_on(exclusion: Exclusion):
    running = make_job(status=Status.RUNNING)
    before = row_of(running)

    exclusion.apply(running.project)

    assert row_of(running) == before


def test_the_next_due_time_is_that_of_a_job_that_is_not_excluded(exclusion: Exclusion):
    project = make_job(due_at=timezone.now() + timedelta(minutes=1)).project
    exclusion.apply(project)
    alone = seconds_to_next()
    make_job(action="other", due_at=timezone.now() + timedelta(minutes=10))

    seconds = seconds_to_next()

    assert alone is None
    assert seconds is not None
    assert 590 < seconds < 601


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_an_excluded_job_only_after_the_exclusion_is_lifted(exclusion: Exclusion):
    excluded, free = make_job(), make_job(action="other")
    exclusion.apply(excluded.project)
    completed = []

    for _ in range(2):
        worker = JobWorker(threads=1)
        with registered_action(lambda job, worker=worker: worker.stop(), "stop"):
            make_job(project=free.project, action="stop", due_at=LATER)
            worker.run()
        completed.append(set(Job.objects.filter(status=Status.COMPLETED).values_list("pk", flat=True)))
        exclusion.lift(excluded.project)

    assert free.pk in completed[0]
    assert excluded.pk in completed[1] - completed[0]


@pytest.mark.parametrize(
    ("action", "project", "left"),
    [
        (None, None, set()),
        ("touch", None, {"other here", "other there"}),
        (None, "here", {"touch there", "other there"}),
        ("touch", "here", {"other here", "touch there", "other there"}),
    ],
)
def test_a_pause_covers_its_action_and_its_project_only(action: str | None, project: str | None, left: set[str]):
    projects = {"here": make_project(), "there": make_project()}
    jobs = {
        f"{a} {where}": make_job(action=a, project=p).pk for a in ("touch", "other") for where, p in projects.items()
    }

    pause_jobs(action=action, project=None if project is None else projects[project], reason=WHY)

    assert candidates() == {jobs[name] for name in left}
    assert (seconds_to_next() == 0) == bool(left)


def test_several_exclusions_cover_what_any_of_them_covers():
    paused, disabled, both, partly = (make_project() for _ in range(4))
    for project in (paused, disabled, both, make_project(organization=disabled.organization)):
        make_job(project=project)
    make_job(project=partly)
    free = make_job(project=partly, action="other")
    pause_jobs(action="touch", project=partly, reason=WHY)
    for project in (paused, both):
        PAUSED_PROJECT.apply(project)
    for project in (disabled, both):
        DISABLED.apply(project)

    assert candidates() == {free.pk}


def test_a_flood_of_excluded_jobs_hides_no_other_job(exclusion: Exclusion):
    project = make_project()
    make_due_jobs(WINDOW + 50, project=project)
    free = make_job(action="other", due_at=LATER)
    exclusion.apply(project)

    assert candidates() == {free.pk}
    assert seconds_to_next() == 0


@pytest.mark.parametrize("exclusion", [PAUSED_PROJECT, DISABLED], ids=str)
def test_beyond_the_window_excluded_projects_take_no_places(exclusion: Exclusion):
    make_due_jobs(WINDOW, action="other")
    owner = make_organization()
    excluded = [make_project(organization=owner) for _ in range(PROJECTS + 20)]
    for project in excluded:
        make_due_jobs(2, project=project)
        exclusion.apply(project)
    late = make_job(due_at=LATER)

    found = candidates()

    assert late.pk in found
    assert not Job.objects.filter(pk__in=found, project__in=excluded).exists()


def test_beyond_the_window_each_project_that_is_not_paused_has_its_turn():
    flood, big = make_project(), make_organization()
    make_due_jobs(WINDOW, project=flood, action="other")
    projects = [make_project(organization=big) for _ in range(PROJECTS + 20)]
    for number, project in enumerate(projects):
        make_due_jobs(1, project=project, due_at=LATER)
        if number % 2:
            PAUSED_PROJECT.apply(project)
    order, seen = ClaimOrder(), set()

    for _ in range(2):
        seen |= candidates(order)

    found = set(Job.objects.filter(pk__in=seen).exclude(project=flood).values_list("project", flat=True))
    assert found == {project.pk for project in projects[::2]}


def test_beyond_the_window_all_kinds_of_exclusions_apply_together():
    make_due_jobs(WINDOW, action="other")
    here, there, paused, disabled = projects = [make_project() for _ in range(4)]
    for project in projects:
        make_due_jobs(5, project=project, due_at=LATER)
        make_due_jobs(1, project=project, action="other", due_at=LATER)
    pause_jobs(action="touch", reason=WHY)
    pause_jobs(action="other", project=here, reason=WHY)
    PAUSED_PROJECT.apply(paused)
    DISABLED.apply(disabled)

    found = Job.objects.filter(pk__in=candidates(), project__in=projects)

    assert list(found.values_list("project", "action")) == [(there.pk, "other")]


def test_a_claim_has_the_same_statements_however_many_exclusions_there_are():
    make_due_jobs(WINDOW + 1, action="other")
    for _ in range(30):
        PAUSED_PROJECT.apply(make_project())
        pause_jobs(project=make_project(), action="touch", reason=WHY)
        DISABLED.apply(make_project())

    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()

    queries = [query["sql"] for query in captured.captured_queries]
    assert len(queries) == 5
    assert len([sql for sql in queries if "jobs_pause" in sql]) == 1


def test_disabled_organizations_do_not_lengthen_the_statements_of_a_claim():
    make_due_jobs(WINDOW + 1, action="other")
    for _ in range(30):
        DISABLED.apply(make_project())

    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()

    assert max(len(query["sql"]) for query in captured.captured_queries) < 5_000


@pytest.mark.parametrize("disabled", [0, 30])
def test_with_exclusions_the_queries_of_a_claim_use_their_indexes(disabled: int):
    for _ in range(30):
        make_due_jobs(200)
    for _ in range(disabled):
        DISABLED.apply(make_project())
    PAUSED_PROJECT.apply(make_project())
    pause_jobs(action="other", reason=WHY)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()
        seconds_to_next()

    plans = plans_on_jobs(captured)

    assert len(plans) == 5
    assert not scans(plans)


def test_the_exclusions_are_read_in_one_statement_by_an_index():
    with CaptureQueriesContext(connection) as captured:
        seconds_to_next()

    (lookup,) = [query["sql"] for query in captured.captured_queries if "disabled_at" in query["sql"]]
    assert "jobs_pause" in lookup
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {lookup}")
            assert "jobs_organization_disabled" in json.dumps(cursor.fetchall())
