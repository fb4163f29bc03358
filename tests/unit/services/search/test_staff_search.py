"""``search_jobs``: it finds exactly the jobs that match, within a window, and says where a window ended."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from jobs.models import Job
from jobs.services.search import staff_search
from jobs.services.search.staff_filter import JobFilter
from jobs.services.search.staff_search import search_jobs
from jobs.status import Status
from tests.support.execution import make_due_jobs
from tests.support.factories import LONG_AGO, make_job, make_project

pytestmark = pytest.mark.django_db

HOUR: Final = timedelta(hours=1)


def found(before: int | None = None, *, reverse: bool = False, **wanted: Any) -> list[int]:
    result = search_jobs(JobFilter(**wanted), before=before, reverse=reverse)
    return [job.pk for job in result.jobs]


def make_variety() -> None:
    """Make jobs that differ in all fields of a filter, in every mixture of two."""
    for project in (make_project(), make_project()):
        for number, status in enumerate(Status):
            for action in ("touch", "touch_once"):
                at = LONG_AGO + number * HOUR
                extra = {"started_at": at} if status is not Status.SCHEDULED else {}
                make_job(
                    project=project, status=status, action=action, reference_id=f"user-{number}", created_at=at,
                    due_at=at, attempt=number, **extra,
                )  # fmt: skip


def scan_all(wanted: dict[str, Any]) -> list[int]:
    """Return the ids by reading every job."""
    checks: dict[str, Callable[[Job], bool]] = {
        "status": lambda job: job.status == wanted["status"],
        "action": lambda job: job.action == wanted["action"],
        "project": lambda job: job.project_id == wanted["project"],
        "created_from": lambda job: job.created_at >= wanted["created_from"],
        "started_from": lambda job: job.started_at is not None and job.started_at >= wanted["started_from"],
        "retried": lambda job: job.attempt >= 2,
        "due_until": lambda job: job.status == "scheduled" and job.due_at <= wanted["due_until"],
        "search": lambda job: job.reference_id == wanted["search"] or str(job.pk) == wanted["search"],
        "same_as": lambda job: job.reference_id == Job.objects.get(pk=wanted["same_as"]).reference_id,
    }
    return sorted((job.pk for job in Job.objects.all() if all(checks[name](job) for name in wanted)), reverse=True)


def test_every_pair_of_filters_finds_the_jobs_that_match_both():
    make_variety()
    some = Job.objects.filter(status="failed").first()
    filters: dict[str, Any] = {
        "status": "failed", "action": "touch", "project": some.project_id, "created_from": LONG_AGO + HOUR,
        "started_from": LONG_AGO + 2 * HOUR, "retried": True, "due_until": LONG_AGO + HOUR, "search": "user-3",
        "same_as": some.pk,
    }  # fmt: skip
    for first in filters:
        for second in filters:
            wanted = {first: filters[first], second: filters[second]}
            assert sorted(found(**wanted), reverse=True) == scan_all(wanted), wanted


def test_the_orders_are_newest_oldest_and_most_overdue_first():
    first = make_job(due_at=LONG_AGO - HOUR)
    second = make_job(due_at=LONG_AGO - 2 * HOUR)
    third = make_job(due_at=LONG_AGO + HOUR)

    assert found() == [third.pk, second.pk, first.pk]
    assert found(reverse=True) == [first.pk, second.pk, third.pk]
    assert found(due_until=LONG_AGO) == [second.pk, first.pk]


@pytest.mark.parametrize("term", ["7", " 7 ", "x ", " x", "0", "-1", "9" * 19, "a\0", "\0", " "])
def test_an_odd_text_finds_the_reference_or_the_id(term: str):
    jobs = [make_job(reference_id=term)] if "\0" not in term else []

    assert found(search=term) == [job.pk for job in jobs]


def test_a_text_that_is_an_id_and_a_reference_finds_both():
    first = make_job()
    second = make_job(reference_id=str(first.pk))
    make_job(reference_id=f"{first.pk}0")

    assert found(search=f" {first.pk} ") == [second.pk, first.pk]


@pytest.mark.parametrize("reference", ["ana@example.com", "7", " 7 "])
def test_the_jobs_of_a_reference_come_newest_first_whatever_their_projects(reference: str):
    one, other = make_project(), make_project()
    jobs = [make_job(reference_id=reference, project=project) for project in (other, one, other, one)]
    newest_first = [job.pk for job in reversed(jobs)]

    assert found(search=reference) == found(same_as=jobs[0].pk) == newest_first
    assert found(search=reference, reverse=True) == newest_first[::-1]
    assert found(search=reference, project=one.pk) == newest_first[::2]


def test_characters_of_patterns_stand_for_themselves():
    alike = ("abc", "a_c", "A_C", "a%c", r"a\_c", r"a\\_c", r"a\c", "a_", "_c", "%", "\\")
    jobs = {reference: make_job(reference_id=reference) for reference in alike}

    assert {reference: found(search=reference) for reference in alike} == {
        reference: [job.pk] for reference, job in jobs.items()
    }


def test_a_key_may_be_given_as_a_text():
    job = make_job()
    make_job(project=make_project())

    assert found(project=str(job.project_id)) == [job.pk]


def test_a_redacted_job_has_no_jobs_of_the_same_reference():
    job, _ = make_job(reference_id=""), make_job(reference_id="")

    assert found(same_as=job.pk) == []
    assert found(same_as=job.pk + 100) == []


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff_search, "WINDOW", 3)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("wanted", [{}, {"status": "failed"}, {"project": True}, {"project": True, "status": "failed"}])
def test_conditions_without_an_index_are_searched_window_by_window(wanted: dict[str, Any]):
    project = make_project()
    wanted = {**wanted, **({"project": project.pk} if "project" in wanted else {})}
    jobs = [make_job(project=project, status=Status.FAILED, attempt=1 + number % 2) for number in range(8)]

    windows, before = [], None
    for _ in range(3):
        result = search_jobs(JobFilter(**wanted, retried=True), before=before)
        windows.append(([job.pk for job in result.jobs], result.window and result.window.since))
        before = result.window.before if result.window else None

    ids = [job.pk for job in jobs]
    assert windows == [([ids[7], ids[5]], LONG_AGO), ([ids[3]], LONG_AGO), ([ids[1]], None)]


@pytest.mark.usefixtures("narrow")
def test_overdue_jobs_are_searched_window_by_window_most_overdue_first():
    jobs = [make_job(due_at=LONG_AGO - number * HOUR, attempt=2) for number in range(5)]
    ids = [job.pk for job in jobs]

    first = search_jobs(JobFilter(due_until=LONG_AGO, retried=True))
    second = search_jobs(JobFilter(due_until=LONG_AGO, retried=True), before=first.window.before)

    assert [job.pk for job in first.jobs] == [ids[4], ids[3], ids[2]]
    assert [job.pk for job in second.jobs] == [ids[1], ids[0]]
    assert second.window is None


@pytest.mark.usefixtures("narrow")
def test_within_a_window_the_oldest_may_come_first():
    ids = [make_job(attempt=2).pk for _ in range(5)]

    assert found(retried=True, reverse=True) == ids[2:]


@pytest.mark.usefixtures("narrow")
def test_conditions_with_an_index_find_jobs_beyond_any_window():
    project = make_due_jobs(5)[0].project

    for wanted in ({}, {"project": project.pk}, {"status": "scheduled"}, {"search": "a"}, {"due_until": LONG_AGO}):
        assert len(found(**wanted)) == 5
        assert search_jobs(JobFilter(**wanted)).window is None


@pytest.mark.usefixtures("narrow")
def test_a_window_that_reaches_the_earliest_creation_is_the_last():
    for number in range(8):
        make_job(created_at=LONG_AGO + number * HOUR)

    assert search_jobs(JobFilter(created_from=LONG_AGO + 6 * HOUR)).window is None
    assert search_jobs(JobFilter(created_from=LONG_AGO + 4 * HOUR)).window is not None


@pytest.mark.usefixtures("narrow")
def test_a_window_may_begin_behind_a_job_that_is_gone_and_a_list_of_overdue_jobs_begins_anew():
    ids = [make_job(attempt=2).pk for _ in range(4)]
    Job.objects.filter(pk=ids[2]).delete()

    assert found(before=ids[2], retried=True) == [ids[1], ids[0]]
    assert found(before=ids[2], due_until=LONG_AGO) == [ids[0], ids[1], ids[3]]


def test_a_filter_is_the_same_after_json():
    project = make_project()
    job_filter = JobFilter(
        status="failed", action="touch", project=project.pk, created_from=LONG_AGO, started_from=LONG_AGO,
        retried=True, due_until=LONG_AGO, same_as=7,
    )  # fmt: skip

    assert JobFilter.from_json(job_filter.as_json()) == job_filter
    assert JobFilter().as_json() == {}


def test_a_stored_filter_has_no_reference():
    job = make_job(reference_id="shekar@example.com")

    stored = JobFilter(search="shekar@example.com", status="scheduled").without_reference()

    assert stored == JobFilter(same_as=job.pk, status="scheduled")
    assert JobFilter(search="nobody@example.com").without_reference() == JobFilter(nothing=True)
    assert JobFilter(search=f" {job.pk} ").without_reference() == JobFilter(search=str(job.pk))


@pytest.mark.parametrize("of_project", [False, True])
def test_a_text_that_may_be_an_id_finds_all_jobs_of_it_as_a_reference_the_newest_first(of_project: bool):
    project, other = make_project(), make_project()
    wanted = [make_job(project=project, reference_id="990099").pk for _ in range(2)]
    others = [make_job(project=other, reference_id="990099").pk for _ in range(2)]

    narrow = {"project": project.pk} if of_project else {}
    assert found(search="990099", **narrow) == sorted(wanted if of_project else wanted + others, reverse=True)
