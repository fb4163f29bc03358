"""``retry_many``: what is in the way of one spoils none of the others."""

from typing import Any

import pytest

from jobs.models import Job
from jobs.services.commands import retry as retries
from jobs.services.commands.retry import retry_many
from jobs.status import RefusalReason, Status
from tests.support.concurrency import statements
from tests.support.factories import make_job, make_project
from tests.support.interventions import STAFF, make_failed, retry
from tests.support.transitions import events_of

pytestmark = pytest.mark.django_db


def test_of_many_each_that_can_be_is_retried_and_the_others_are_told_why():
    project = make_project()
    plain = [make_failed(project=project), make_failed()]
    retried = make_failed()
    first = retry(retried)
    active = make_job(action="touch_once", reference_id="a", unique_key="a", project=project)
    refused = {
        make_job(status=Status.COMPLETED).pk: RefusalReason.NOT_FAILED,
        retried.pk: RefusalReason.RETRIED,
        make_failed(reference_id="").pk: RefusalReason.REDACTED,
        make_failed(action="change_jobs", reference_id="cancel").pk: RefusalReason.BULK_CHANGE,
        make_failed(action="was_removed").pk: RefusalReason.UNKNOWN_ACTION,
        make_failed(
            action="touch_once", reference_id="a", unique_key="a", project=project
        ).pk: RefusalReason.ACTIVE_JOB,
    }
    known = {first.pk, active.pk, *refused, *(job.pk for job in plain)}

    done, why = retry_many([*refused, *(job.pk for job in plain), 10**9], actor=STAFF, reason="They asked.")

    assert (done, why) == (sorted(job.pk for job in plain), refused)
    new = Job.objects.exclude(pk__in=known)
    assert sorted(job.retry_of_id for job in new) == done
    assert {event["note"] for job in new for event in events_of(job)} == {"They asked."}
    assert [event["what"] for event in events_of(plain[0])] == ["retried"]


def test_of_several_failed_jobs_for_one_reference_of_a_unique_action_the_first_is_retried():
    project = make_project()
    same = {"action": "touch_once", "reference_id": "a", "unique_key": "a", "project": project}
    first, second = make_failed(**same), make_failed(**same)
    elsewhere = make_failed(**{**same, "project": make_project()})

    done, why = retry_many([second.pk, first.pk, elsewhere.pk], actor=STAFF)

    assert (done, why) == ([first.pk, elsewhere.pk], {second.pk: RefusalReason.ACTIVE_JOB})


def test_a_rival_that_comes_in_between_spoils_nothing_for_the_others(monkeypatch: pytest.MonkeyPatch):
    same = {"action": "touch_once", "reference_id": "a", "unique_key": "a"}
    met, plain = make_failed(**same), make_failed()
    problems_of, calls = retries._problems_of, []

    def insert_rival_after(jobs: Any) -> Any:
        found = problems_of(jobs)
        if not calls:
            make_job(**same, project=met.project)
        calls.append(found)
        return found

    monkeypatch.setattr(retries, "_problems_of", insert_rival_after)

    done, why = retry_many([met.pk, plain.pk], actor=STAFF)

    assert (done, why) == ([plain.pk], {met.pk: RefusalReason.ACTIVE_JOB})
    assert Job.objects.filter(retry_of=plain).count() == 1


def test_many_cost_as_few_statements_as_two():
    def cost(count: int) -> int:
        ids = [make_failed(action="touch_once").pk for _ in range(count)]
        with statements() as sent:
            done, _ = retry_many(ids, actor=STAFF)
        assert done == ids
        return len(sent)

    assert cost(20) == cost(2)


def test_workers_are_woken_if_any_is_retried(monkeypatch: pytest.MonkeyPatch):
    woken: list[str] = []
    monkeypatch.setattr(retries, "notify_due", lambda: woken.append("woken"))

    retry_many([make_job().pk], actor=STAFF)
    assert retry_many([], actor=STAFF) == ([], {})
    assert woken == []
    retry_many([make_failed().pk], actor=STAFF)
    retry(make_failed())

    assert woken == ["woken", "woken"]
