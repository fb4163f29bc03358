"""The summaries of projects and organizations: bounded, and in one query."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.services.reports import summaries
from jobs.services.reports.summaries import newest_failures, summarize_organization, summarize_project
from jobs.status import Status
from tests.support.concurrency import statements
from tests.support.execution import make_due_jobs
from tests.support.factories import LONG_AGO, make_job, make_organization, make_project

pytestmark = pytest.mark.django_db


def test_jobs_of_the_project_are_counted_by_status():
    project = make_project()
    for status in Status:
        make_job(project=project, status=status)
        make_job(status=status)
    make_job(project=project, status=Status.FAILED)

    summary = summarize_project(project)

    assert summary.counts == {**dict.fromkeys(Status, 1), Status.FAILED: 2}


def test_a_count_ends_one_above_its_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(summaries, "MOST_COUNTED", 2)
    project = make_due_jobs(5)[0].project

    assert summarize_project(project).counts[Status.SCHEDULED] == 3


def test_the_oldest_job_that_is_due_is_named():
    project = make_project()
    make_job(project=project, due_at=LONG_AGO + timedelta(days=1))
    oldest = make_job(project=project, due_at=LONG_AGO)
    make_job(project=project, due_at=timezone.now() + timedelta(days=1))
    make_job(project=project, due_at=LONG_AGO - timedelta(days=1), status=Status.COMPLETED)
    make_job(due_at=LONG_AGO - timedelta(days=1))

    summary = summarize_project(project)

    assert (summary.late_id, summary.late_since) == (oldest.pk, LONG_AGO)


def test_a_project_without_jobs_has_an_empty_summary():
    summary = summarize_project(make_project())

    assert set(summary.counts.values()) == {0}
    assert (summary.late_id, summary.late_since, summary.failed_id) == (None, None, None)


def test_the_newest_failure_is_named_and_the_newest_few_are_listed_without_parameters_and_description():
    project = make_project()
    failed = [make_job(project=project, status=Status.FAILED) for _ in range(summaries.MOST_FAILURES + 1)]
    make_job(status=Status.FAILED)

    with statements() as sent:
        listed = list(newest_failures(project))

    assert summarize_project(project).failed_id == failed[-1].pk
    assert [job.pk for job in listed] == [job.pk for job in failed[:0:-1]]
    assert "parameters" not in sent[0]
    assert "description" not in sent[0]


def test_an_organization_is_summarized_by_project_in_one_query():
    organization = make_organization()
    projects = [make_project(organization=organization) for _ in range(2)]
    make_job(project=projects[0])
    make_job(project=make_project())

    with statements() as sent:
        summary = summarize_organization(organization)

    told = {each.project.pk: each.counts[Status.SCHEDULED] for each in summary.projects}
    assert told == {projects[0].pk: 1, projects[1].pk: 0}
    assert not summary.is_cut
    # Beside the settings of the planner.
    assert len([sql for sql in sent if "jobs_job" in sql]) == 1


def test_an_organization_with_many_projects_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(summaries, "MOST_PROJECTS", 2)
    organization = make_organization()
    for _ in range(3):
        make_project(organization=organization)

    summary = summarize_organization(organization)

    assert (len(summary.projects), summary.is_cut) == (2, True)


def test_every_count_has_a_limit():
    with statements() as sent:
        summarize_project(make_project())
        summarize_organization(make_organization())

    counting = [sql for sql in sent if "COUNT(" in sql]
    assert len(counting) == 2
    for sql in counting:
        assert sql.count("COUNT(") == sql.count(f"LIMIT {summaries.MOST_COUNTED + 1}") == len(Status)
