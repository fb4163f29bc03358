"""How an idempotent request is identified and its jobs are found again."""

import pytest
from django.db import connection

from jobs.db.connection import supports_row_locks
from jobs.models import Job
from jobs.services.commands.idempotency import find_replay, identify_request
from tests.support.concurrency import execute
from tests.support.factories import LONG_AGO, make_job, make_key, make_project
from tests.support.plans import analyze

pytestmark = pytest.mark.django_db


def test_a_request_is_identified_by_key_caller_endpoint_and_body():
    one, other = (str(make_key().key.pk) for _ in range(2))

    request = identify_request("k", caller=one, endpoint="job", sent={"x": 1})

    assert request == identify_request("k", caller=one, endpoint="job", sent={"x": 1})
    assert request.digest != identify_request("l", caller=one, endpoint="job", sent={"x": 1}).digest
    assert request.digest != identify_request("k", caller=other, endpoint="job", sent={"x": 1}).digest
    for further in ({"endpoint": "batch", "sent": {"x": 1}}, {"endpoint": "job", "sent": {"x": 2}}):
        same_key = identify_request("k", caller=one, **further)
        assert (same_key.digest, same_key.body != request.body) == (request.digest, True)


def test_without_a_request_there_is_no_replay_and_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert find_replay(None, project=None) is None


def test_jobs_that_were_deleted_are_missing_from_the_replay():
    project = make_project()
    request = identify_request("k", caller="1", endpoint="batch", sent={"x": 1})
    first, second, third = (
        make_job(project=project, call_digest=request.digest, call_body=request.body, call_index=index)
        for index in range(3)
    )
    second.delete()

    replay = find_replay(request, project=project)

    assert replay is not None
    assert list(replay.jobs) == [first, third]


def test_the_search_uses_the_constraint_s_index():
    project = make_project()
    columns = {"project": project, "action": "touch", "created_at": LONG_AGO, "start_at": LONG_AGO, "due_at": LONG_AGO}
    Job.objects.bulk_create(
        Job(**columns, reference_id=f"{n}", call_digest=f"{n:064}" if n % 2 else None, call_body="b", call_index=0)
        for n in range(4000)
    )
    analyze()
    if supports_row_locks(connection):  # PostgreSQL: for one row it may as well collect it and sort it
        execute("SET LOCAL enable_bitmapscan = off")

    found = Job.objects.in_project(project).filter(call_digest=f"{77:064}").order_by("call_index")
    plan = found.explain()

    assert found.get().reference_id == "77"
    assert "jobs_job_one_of_call" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
