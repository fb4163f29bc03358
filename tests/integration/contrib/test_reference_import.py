"""The import of the reference service's jobs: with their ids, once; rows that cannot be represented are skipped."""

from copy import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from jobs import schedule_job
from jobs.contrib.reference_import import importer, source
from jobs.contrib.reference_import.importer import import_jobs
from jobs.contrib.reference_import.source import Source
from jobs.exceptions import InvalidField
from jobs.models import Job
from jobs.services.tenants.projects import public_id_of
from jobs.status import Status
from jobs.testing import make_job, make_project, run_due_jobs
from tests.support.api_client import Api
from tests.support.execution import registered_action
from tests.support.reference_table import CREATED, add, create_table, drop, project, theirs

__all__ = ["project", "theirs"]  # fixtures

pytestmark = pytest.mark.django_db


def source_of(table: str, project: Any, **what_matters: Any) -> Source:
    return Source(**{"alias": "default", "table": table, "project_keys": {1: project.key}, **what_matters})


def reasons(done: importer.ImportResult) -> dict[int, str]:
    return {refused.job_id: refused.reason for refused in done.skipped}


def test_jobs_keep_their_ids_and_have_the_same_answers(theirs: str, api: Api):
    add(theirs, 3451, status="scheduled", updated_at=CREATED, start_at=datetime(2090, 1, 1, tzinfo=UTC))
    add(theirs, 3452, status="cancelled")
    add(theirs, 3453, status="failed", errors="It went wrong.")

    done = import_jobs(source_of(theirs, api.project))

    assert (done.read, done.imported, done.present, done.skipped) == (3, 3, 0, [])
    failed, cancelled, scheduled = api.get("/jobs").json()["data"]
    assert scheduled == {
        "jobId": 3451,
        "description": "Delete user sessions of userId = mehdi@example.com",
        "status": "scheduled",
        "projectId": public_id_of(api.project),
        "action": "delete_user_data",
        "referenceId": "mehdi-3451@example.com",
        "createdAt": 1623912955277,
        "updatedAt": None,
        "startAt": 3786912000000,
        "errors": None,
    }
    assert (cancelled["jobId"], cancelled["status"], cancelled["updatedAt"]) == (3452, "cancelled", 1623975303000)
    assert (failed["status"], failed["errors"]) == ("failed", "It went wrong.")
    events = api.get("/jobs/3453?include=events").json()["data"]["events"]
    assert [(event["what"], event["at"]) for event in events] == [
        ("scheduled", 1623912955277),
        ("failed", 1623975303000),
    ]


def test_a_scheduled_job_is_run_here(theirs: str, project: Any):
    ran: list[str] = []
    with registered_action(lambda job: ran.append(job.reference_id), name="tidy") as name:
        add(theirs, 7, status="scheduled", action=name)
        import_jobs(source_of(theirs, project))
        (job,) = run_due_jobs()

    assert (job.pk, job.status) == (7, Status.COMPLETED)
    assert ran == ["mehdi-7@example.com"]


def test_a_second_run_changes_nothing_also_if_jobs_have_changed(theirs: str, project: Any):
    with registered_action(lambda job: None, name="tidy") as name:
        add(theirs, 7, status="scheduled", action=name)
        add(theirs, 8)
        import_jobs(source_of(theirs, project))
        run_due_jobs()
        Job.objects.filter(pk=8).update(reference_id="", description="")  # redacted since
        before = list(Job.objects.values())
        done = import_jobs(source_of(theirs, project))

    assert (done.read, done.imported, done.present, done.skipped) == (2, 0, 2, [])
    assert list(Job.objects.values()) == before


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_batches_of_any_size_import_all_also_ended_jobs_of_unknown_actions(theirs: str, project: Any, size: int):
    for job_id, action in ((5, "touch"), (6, "long_gone"), (7, "touch"), (9, "touch")):
        add(theirs, job_id, action=action)

    done = import_jobs(source_of(theirs, project), batch_size=size)

    assert (done.read, done.imported) == (4, 4)
    assert sorted(Job.objects.values_list("pk", flat=True)) == [5, 6, 7, 9]


def test_new_jobs_get_ids_above_the_imported_ones(theirs: str, project: Any):
    before = schedule_job("touch", project=project, reference_id="x").pk
    add(theirs, before + 1000)

    import_jobs(source_of(theirs, project))
    first = schedule_job("touch", project=project, reference_id="y").pk
    import_jobs(source_of(theirs, project))
    second = schedule_job("touch", project=project, reference_id="z").pk

    assert before + 1000 < first < second


def test_a_dry_run_counts_the_same_and_changes_nothing(theirs: str, project: Any):
    add(theirs, 5)
    add(theirs, 6, status="running")

    dry = import_jobs(source_of(theirs, project), dry_run=True)
    jobs_after = Job.objects.count()
    done = import_jobs(source_of(theirs, project))

    assert dry == done
    assert jobs_after == 0


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"job_id": 0}, "job_id: is no id"),
        ({"status": "running"}, "status: is running, there"),
        ({"status": "paused"}, "status: is none of ours"),
        ({"project_id": 99}, "project_id: 99 is none of the projects here"),
        ({"project_id": None}, "project_id: None is none"),
        ({"action": "no_such", "status": "scheduled"}, "action: no_such is not registered"),
        ({"action": "Not A Name"}, "action: is no name"),
        ({"action": None}, "action: is no name"),
        ({"reference_id": ""}, "reference_id: must not be blank"),
        ({"reference_id": None}, "reference_id: must be a string"),
        ({"reference_id": "é" * 129}, "reference_id: must be at most 256 bytes"),
        ({"description": None}, "description: must be a string"),
        ({"created_at": None}, "created_at: is no time"),
        ({"start_at": None}, "start_at: is no time"),
    ],
    ids=str,
)
def test_a_row_that_cannot_be_represented_is_skipped(theirs: str, project: Any, columns: dict[str, Any], told: str):
    job_id = columns.get("job_id", 17)
    add(theirs, **{"job_id": job_id, **columns})
    add(theirs, 18)

    done = import_jobs(source_of(theirs, project))

    assert (done.read, done.imported) == (2, 1)
    assert list(reasons(done)) == [job_id]
    assert reasons(done)[job_id].startswith(told)
    assert "example.com" not in reasons(done)[job_id]
    assert list(Job.objects.values_list("pk", flat=True)) == [18]


def test_a_row_with_the_id_of_another_job_is_skipped(theirs: str, project: Any):
    taken = schedule_job("touch", project=project, reference_id="mehdi@example.com")
    add(theirs, taken.pk)

    done = import_jobs(source_of(theirs, project))

    assert reasons(done) == {taken.pk: "job_id: is another job's here"}
    assert Job.objects.get().reference_id == "mehdi@example.com"


@pytest.mark.parametrize("size", [1, 500])
def test_of_several_active_jobs_for_one_reference_the_first_is_imported(theirs: str, project: Any, size: int):
    with registered_action(lambda job: None, name="tidy", unique=True) as name:
        here = make_job(name, project=project, reference_id="ben", start_at=datetime(2090, 1, 1, tzinfo=UTC))
        for job_id, source in ((1005, "ana"), (1006, "ana"), (1007, "ben"), (1008, "eve")):
            add(theirs, job_id, status="scheduled", action=name, reference_id=source)
        add(theirs, 1009, status="completed", action=name, reference_id="ana")
        done = import_jobs(source_of(theirs, project), batch_size=size)
        again = import_jobs(source_of(theirs, project), batch_size=size)

    assert reasons(done) == reasons(again)
    assert reasons(done) == {
        1006: "reference_id: job 1005 waits or runs for the same",
        1007: f"reference_id: job {here.pk} waits or runs for the same",
    }
    assert (done.imported, again.present) == (3, 3)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_created_meanwhile_skips_only_its_row(theirs: str, project: Any, monkeypatch: pytest.MonkeyPatch):
    for job_id in (1005, 1006, 1007):
        add(theirs, job_id)
    insert = importer._insert

    def create_first(jobs: Any) -> bool:
        if not Job.objects.exists():
            quick = copy(jobs[1])
            quick.reference_id = "quick"
            quick.save(force_insert=True)
        return insert(jobs)

    monkeypatch.setattr(importer, "_insert", create_first)
    try:
        done = import_jobs(source_of(theirs, project))
    finally:
        drop(theirs)

    assert done.imported == 2
    assert list(reasons(done)) == [1006]


def test_another_integrity_error_is_raised(theirs: str, project: Any, monkeypatch: pytest.MonkeyPatch):
    add(theirs, 5)

    def break_constraint(jobs: Any, *, actor: Any) -> None:
        raise IntegrityError("not unique, but something else")

    monkeypatch.setattr(importer.transitions, "import_many", break_constraint)
    with pytest.raises(IntegrityError):
        import_jobs(source_of(theirs, project))


@pytest.mark.parametrize("time", ["timestamp", "timestamp with time zone", "bigint"])
def test_times_are_read_from_any_kind_of_column(time: str, api: Api):
    table = create_table("other_jobs", time)
    value: Any = {"timestamp": CREATED, "bigint": 1623912955277}.get(time, "2021-06-17T09:55:55.277+03:00")
    add(table, 5, created_at=value, updated_at=value, start_at=value)

    import_jobs(source_of(table, api.project))

    job = api.get("/jobs/5").json()["data"]
    assert (job["createdAt"], job["updatedAt"], job["startAt"]) == (1623912955277,) * 3


def test_projects_are_found_by_id_by_key_or_by_name(theirs: str):
    by_id, by_key, named = make_project(), make_project(), make_project()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE their_projects (project_id integer, project_key text)")
        cursor.execute("INSERT INTO their_projects VALUES (70001, %s), (70002, 'unknown')", [by_key.key])

    def found(source: Source, project_id: Any) -> Any:
        return source.find_project(project_id)

    ids = Source(alias="default", table=theirs, project_keys={70009: named.key})
    keys = Source(
        alias="default", table=theirs, match="key", projects_table="their_projects", project_keys={70009: named.key}
    )
    assert found(ids, public_id_of(by_id)) == by_id
    assert found(keys, 70001) == by_key
    assert [found(source, 70009) for source in (ids, keys)] == [named, named]
    assert [found(keys, unknown) for unknown in (70002, 70003, None)] == [None] * 3
    assert found(ids, "1") is None


@pytest.mark.django_db(transaction=True)
def test_the_table_may_be_in_another_database(theirs: str, project: Any, monkeypatch: pytest.MonkeyPatch):
    add(theirs, 5)
    elsewhere = connection.copy(alias="reference")
    monkeypatch.setattr(source, "connections", {"default": connection, "reference": elsewhere})
    try:
        with CaptureQueriesContext(elsewhere) as queries, CaptureQueriesContext(connection) as of_jobs:
            done = import_jobs(source_of(theirs, project, alias="reference"))
    finally:
        elsewhere.close()
        drop(theirs)

    assert done.imported == 1
    assert all(theirs in query["sql"] for query in queries)
    assert not any(theirs in query["sql"] for query in of_jobs)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"alias": "nowhere"}, "database: must be an alias"),
        ({"table": 'jobs"; DROP TABLE jobs_job; --'}, "table: must be the name of a table"),
        ({"projects_table": "a.b.c"}, "table: must be the name of a table"),
    ],
)
def test_an_invalid_source_is_refused(wrong: dict[str, str], told: str):
    with pytest.raises(InvalidField, match=told):
        Source(**{"alias": "default", **wrong})
