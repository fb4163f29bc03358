"""Jobs that are paused, or of a disabled organization, are not claimed and keep no other job from being claimed."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

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
from tests.support.concurrency import statements
from tests.support.execution import make_due_jobs, registered_action
from tests.support.factories import LONG_AGO, make_job, make_organization, make_project
from tests.support.plans import analyze, plan_of, plans_on_jobs, scans
from tests.support.transitions import row_of

pytestmark = pytest.mark.django_db

LATER = LONG_AGO + timedelta(days=1)
WHY = "The disk is full."


class Exclusion(NamedTuple):
    """A way to keep the jobs ``touch`` of a project from being claimed, and the way back."""

    apply: Callable[[Any], object]
    lift: Callable[[Any], object]


PAUSED_ACTION = Exclusion(lambda _: pause_jobs(action="touch", reason=WHY), lambda _: resume_jobs(action="touch"))
PAUSED_PROJECT = Exclusion(
    lambda project: pause_jobs(project=project, reason=WHY), lambda project: resume_jobs(project=project)
)
DISABLED = Exclusion(
    lambda project: disable_organization(project.organization.name),
    lambda project: enable_organization(project.organization.name),
)
EXCLUSIONS = {"paused action": PAUSED_ACTION, "paused project": PAUSED_PROJECT, "disabled organization": DISABLED}


@pytest.fixture(params=EXCLUSIONS.values(), ids=EXCLUSIONS)
def exclusion(request: pytest.FixtureRequest) -> Exclusion:
    return request.param


@pytest.fixture(autouse=True)
def _other_action() -> Iterator[None]:
    """An action beside ``touch``, of the jobs that are not excluded."""
    with registered_action(lambda job: None, "other"):
        yield


def candidates(order: ClaimOrder | None = None) -> set[int]:
    return {candidate.job_id for candidate in (order or ClaimOrder()).candidates()}


def test_an_excluded_job_is_not_claimed_until_the_exclusion_is_lifted_and_a_running_one_goes_on(exclusion: Exclusion):
    job, free = make_job(), make_job(action="other")
    running = make_job(status=Status.RUNNING, project=job.project)
    before = row_of(job), row_of(running)

    exclusion.apply(job.project)
    while_excluded = candidates(), (row_of(job), row_of(running))
    exclusion.lift(job.project)

    assert while_excluded == ({free.pk}, before)
    assert candidates() == {job.pk, free.pk}
    assert row_of(job) == before[0]


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


@pytest.mark.parametrize("exclusion", [PAUSED_PROJECT, DISABLED], ids=["paused project", "disabled organization"])
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


@pytest.mark.parametrize(("organizations", "expected"), [(1, 4), (2, 5)])
@pytest.mark.parametrize("paused", [0, 30])
def test_exclusions_add_no_statement_to_a_claim_and_disabled_organizations_lengthen_none(
    paused: int, organizations: int, expected: int
):
    for _ in range(organizations):  # where these share, what of them runs is counted
        make_due_jobs(WINDOW + 1, action="other")
    for _ in range(30):
        DISABLED.apply(make_project())
    for _ in range(paused):
        PAUSED_PROJECT.apply(make_project())
        pause_jobs(project=make_project(), action="touch", reason=WHY)

    with statements() as queries:
        ClaimOrder().candidates()

    assert len(queries) == expected
    assert len([sql for sql in queries if "jobs_pause" in sql]) == 1
    assert paused or max(map(len, queries)) < 5_000


@pytest.mark.parametrize("disabled", [0, 30])
def test_with_exclusions_the_queries_of_a_claim_use_their_indexes(disabled: int):
    for _ in range(30):
        make_due_jobs(200)
    for _ in range(disabled):
        DISABLED.apply(make_project())
    PAUSED_PROJECT.apply(make_project())
    pause_jobs(action="other", reason=WHY)
    analyze()
    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()
        seconds_to_next()

    plans = plans_on_jobs(captured)

    assert len(plans) == 5
    assert not scans(plans)


def test_the_exclusions_are_read_in_one_statement_by_an_index():
    with statements() as queries:
        seconds_to_next()

    (lookup,) = [sql for sql in queries if "disabled_at" in sql]
    assert "jobs_pause" in lookup
    assert connection.vendor != "sqlite" or "jobs_organization_disabled" in plan_of(lookup)
