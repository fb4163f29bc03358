"""What is paused is not claimed, hides nobody else, and is there again after a resume."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.actors import Actor
from jobs.exceptions import InvalidField, UnknownAction
from jobs.models import Job, Pause
from jobs.services.commands.pauses import list_pauses, pause_jobs, resume_all_jobs, resume_jobs, scope_of
from jobs.status import Status
from jobs.workers.claim_order import PROJECTS, WINDOW, ClaimOrder, seconds_to_next
from jobs.workers.worker import JobWorker
from tests.support.execution import registered_action
from tests.support.factories import LONG_AGO, make_job, make_organization, make_project
from tests.support.plans import plans_on_jobs, scans

pytestmark = pytest.mark.django_db

WHY = "The disk is full."


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


# ---------------------------------------------------------------- what a pause covers


@pytest.mark.parametrize(
    ("of_action", "of_project", "left"),
    [
        (None, None, set()),
        ("touch", None, {"other here", "other there"}),
        (None, "here", {"touch there", "other there"}),
        ("touch", "here", {"other here", "touch there", "other there"}),
    ],
)
def test_a_pause_covers_its_action_and_its_project_and_nothing_else(of_action, of_project, left):
    projects = {"here": make_project(), "there": make_project()}
    jobs = {
        f"{a} {where}": make_job(action=a, project=p).pk for a in ("touch", "other") for where, p in projects.items()
    }

    pause_jobs(action=of_action, project=projects.get(of_project), reason=WHY)

    assert candidates() == {jobs[name] for name in left}
    assert (seconds_to_next() == 0) == bool(left)


def test_several_pauses_cover_what_any_of_them_covers():
    here, there, elsewhere = make_project(), make_project(), make_project()
    make_job(action="touch", project=here)
    make_job(action="other", project=there)
    make_job(action="touch", project=there)
    free = make_job(action="other", project=elsewhere)
    pause_jobs(project=here, reason=WHY)
    pause_jobs(action="touch", project=there, reason=WHY)
    pause_jobs(action="other", project=there, reason=WHY)

    assert candidates() == {free.pk}


def test_the_next_due_time_passes_over_what_is_paused():
    make_job(action="touch", due_at=timezone.now() + timedelta(minutes=1))
    make_job(action="other", due_at=timezone.now() + timedelta(minutes=10))
    pause_jobs(action="touch", reason=WHY)

    soon = seconds_to_next()

    assert soon is not None
    assert 590 < soon < 601


def test_what_runs_goes_on():
    running = make_job(status=Status.RUNNING)

    pause_jobs(reason=WHY)

    running.refresh_from_db()
    assert running.status == Status.RUNNING


@pytest.mark.django_db(transaction=True)
def test_a_worker_leaves_paused_jobs_and_takes_them_after_a_resume():
    project = make_project()
    paused, free = make_job(project=project), make_job(project=project, action="other")
    pause_jobs(action="touch", reason=WHY)
    ended_by = {}

    for turn in ("paused", "resumed"):
        worker = JobWorker(threads=1)
        with registered_action(lambda job, worker=worker: worker.stop(), "stop"):
            make_job(project=project, action="stop", due_at=LONG_AGO + timedelta(days=1))
            worker.run()
        ended_by[turn] = set(Job.objects.filter(status=Status.COMPLETED).values_list("pk", flat=True))
        resume_jobs(action="touch")

    assert free.pk in ended_by["paused"]
    assert paused.pk not in ended_by["paused"]
    assert paused.pk in ended_by["resumed"]


# ---------------------------------------------------------------- a flood of paused jobs


def test_a_flood_of_a_paused_action_hides_nobody():
    make_due_jobs(make_project(), WINDOW + 50)
    free = make_job(action="other", due_at=LONG_AGO + timedelta(days=1))
    pause_jobs(action="touch", reason=WHY)

    assert candidates() == {free.pk}
    assert seconds_to_next() == 0


def test_beyond_the_window_paused_projects_use_up_no_places_and_hide_nobody():
    make_due_jobs(make_project(), WINDOW, action="other")
    paused = [make_project() for _ in range(PROJECTS + 20)]
    for project in paused:
        make_due_jobs(project, 2)
        pause_jobs(project=project, reason=WHY)
    late = make_job(due_at=LONG_AGO + timedelta(days=1))

    found = candidates()

    assert late.pk in found
    assert not Job.objects.filter(pk__in=found, project__in=paused).exists()


def test_beyond_the_window_all_unpaused_projects_have_their_turn():
    flood, big = make_project(), make_organization()
    make_due_jobs(flood, WINDOW, action="other")
    projects = [make_project(organization=big) for _ in range(PROJECTS + 20)]
    for number, project in enumerate(projects):
        make_due_jobs(project, 1, due_at=LONG_AGO + timedelta(days=1))
        if number % 2:
            pause_jobs(project=project, reason=WHY)
    order, seen = ClaimOrder(), set()

    for _ in range(2):
        seen |= candidates(order)

    found = set(Job.objects.filter(pk__in=seen).exclude(project=flood).values_list("project", flat=True))
    assert found == {project.pk for project in projects[::2]}


def test_beyond_the_window_paused_actions_are_left_out_everywhere_or_in_a_project():
    make_due_jobs(make_project(), WINDOW, action="other")
    here, there = make_project(), make_project()
    late = {"due_at": LONG_AGO + timedelta(days=1)}
    for project in (here, there):
        make_due_jobs(project, 5, action="touch", **late)
        make_due_jobs(project, 1, action="other", **late)
    pause_jobs(action="touch", reason=WHY)
    pause_jobs(action="other", project=here, reason=WHY)

    found = Job.objects.filter(pk__in=candidates(), project__in=[here, there])

    assert list(found.values_list("project", "action")) == [(there.pk, "other")]


def test_pauses_add_one_statement_to_a_claim_however_many_there_are():
    make_due_jobs(make_project(), WINDOW + 1, action="other")
    for _ in range(30):
        pause_jobs(project=make_project(), reason=WHY)
        pause_jobs(project=make_project(), action="touch", reason=WHY)

    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()

    assert len(captured) <= 5
    assert len([query for query in captured.captured_queries if "jobs_pause" in query["sql"]]) == 1


def test_with_pauses_too_the_queries_of_a_claim_use_their_indexes():
    for _ in range(30):
        make_due_jobs(make_project(), 200)
    pause_jobs(project=make_project(), reason=WHY)
    pause_jobs(action="other", reason=WHY)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()
        seconds_to_next()

    plans = plans_on_jobs(captured)

    assert len(plans) == 5
    assert not scans(plans)


# ---------------------------------------------------------------- making and lifting


def test_pausing_again_updates_the_reason_and_keeps_since_when():
    project = make_project()
    first = pause_jobs(action="touch", project=project, reason=WHY, actor=Actor(kind="staff", name="1"))

    again = pause_jobs(action="touch", project=project, reason="Still full.", actor=Actor(kind="staff", name="2"))

    assert (again.pk, again.created_at) == (first.pk, first.created_at)
    assert (again.reason, again.created_by) == ("Still full.", "staff:2")
    assert list_pauses() == [again]


@pytest.mark.parametrize("action", [None, "touch"])
@pytest.mark.parametrize("of_project", [False, True])
def test_no_two_rows_pause_the_same(action, of_project):
    project = make_project() if of_project else None
    columns = {"action": action, "project": project, "reason": WHY, "created_at": LONG_AGO, "created_by": "system"}
    Pause.objects.create(**columns)

    with pytest.raises(IntegrityError), transaction.atomic():
        Pause.objects.create(**columns)


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501])
def test_a_reason_that_colleagues_cannot_read_is_refused(reason):
    with pytest.raises(InvalidField):
        pause_jobs(reason=reason)

    assert list_pauses() == []


def test_an_action_that_does_not_exist_cannot_be_paused():
    with pytest.raises(UnknownAction):
        pause_jobs(action="tuoch", reason=WHY)

    assert list_pauses() == []


def test_a_pause_of_a_former_action_can_be_lifted():
    with registered_action(lambda job: None, "former"):
        pause_jobs(action="former", reason=WHY)

    assert resume_jobs(action="former")


def test_a_resume_lifts_exactly_one_pause():
    project = make_project()
    scopes = [{}, {"action": "touch"}, {"project": project}, {"action": "touch", "project": project}]
    for scope in scopes:
        pause_jobs(**scope, reason=WHY)

    lifted = [resume_jobs(**scope) for scope in scopes for _ in range(2)]

    assert lifted == [True, False] * 4
    assert list_pauses() == []


def test_all_can_be_lifted_at_once():
    pause_jobs(reason=WHY)
    pause_jobs(action="touch", reason=WHY)

    assert (resume_all_jobs(), resume_all_jobs()) == (2, 0)


def test_a_pause_says_in_words_what_it_covers():
    project = make_project()
    scopes = [{}, {"action": "touch"}, {"project": project}, {"action": "touch", "project": project}]

    words = [scope_of(pause_jobs(**scope, reason=WHY)) for scope in scopes]

    here = f"project {project.key}"
    assert words == ["all jobs", "jobs of action touch", f"jobs of {here}", f"jobs of action touch in {here}"]
