"""``schedule_job``: what it stores and what it refuses."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import connection

from jobs import schedule_job
from jobs.actors import Actor
from jobs.db import clock
from jobs.exceptions import ActiveJobExists, InvalidField, ProjectNotFound, UnknownAction
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.factories import make_job, make_project
from tests.support.transitions import row_of

pytestmark = pytest.mark.django_db


def schedule(action: str = "touch", **what_matters: Any) -> Job:
    project = what_matters.pop("project", None) or make_project()
    return schedule_job(action, **{"project": project, "reference_id": "mehdi@example.com", **what_matters})


def test_a_job_is_stored_as_it_is_returned():
    project = make_project()
    actor = Actor(kind="key", name="jsk_3fG7a2Qx", request_id="request-7")
    before = clock.read(connection)

    job = schedule_job("touch", project=project, reference_id="mehdi@example.com", actor=actor)

    row = row_of(job)
    assert row == {column: getattr(job, column) for column in row}
    assert before <= row["created_at"] == row["start_at"] == row["due_at"] <= clock.read(connection)
    assert (row["status"], row["updated_at"], row["errors"], row["attempt"]) == ("scheduled", None, None, 0)
    assert (row["project_id"], row["action"], row["reference_id"]) == (project.pk, "touch", "mehdi@example.com")
    assert (row["description"], row["parameters"], row["unique_key"]) == ("Touch mehdi@example.com", None, None)
    event = JobEvent.objects.get(job=job)
    assert (event.what, event.from_status, event.to_status, event.at) == ("scheduled", "", "scheduled", job.created_at)
    assert (event.actor, event.request_id) == ("key:jsk_3fG7a2Qx", "request-7")


def test_without_a_start_the_action_s_own_is_taken():
    midnight, delayed = schedule("touch_at_midnight"), schedule("touch_in_an_hour")

    assert midnight.start_at == midnight.due_at == clock.next_midnight(midnight.created_at)
    assert delayed.start_at == delayed.due_at == delayed.created_at + timedelta(hours=1)


@pytest.mark.parametrize("action", ["touch", "touch_at_midnight", "touch_in_an_hour"])
def test_a_given_start_overrides_the_action_s_own(action: str):
    start = datetime(2200, 5, 6, 7, 8, 9, 123_456, tzinfo=timezone(timedelta(hours=2)))

    job = schedule(action, start_at=start)

    assert row_of(job)["start_at"] == row_of(job)["due_at"] == start


@pytest.mark.parametrize(
    "start", [datetime(1970, 1, 1, tzinfo=UTC), datetime.min.replace(tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)]
)
def test_a_start_in_the_past_means_now(start: datetime):
    job = schedule("touch_at_midnight", start_at=start)

    assert job.start_at == job.due_at == job.created_at


def test_the_creator_may_describe_the_job():
    assert schedule(description="Asked for by phone").description == "Asked for by phone"
    assert len(row_of(schedule(description="ä" * 1_000))["description"]) == 1_000


REFERENCES = [
    "a", "x" * 256, "ä" * 128, "€" * 85 + "x", "😀" * 64, " two blanks ", "Mehdi@Example.com", "e\u0301", "a/b", "{x}",
]  # fmt: skip


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_reference_is_kept_exactly_as_it_was_sent(reference: str):
    row = row_of(schedule("touch_once", reference_id=reference))

    assert (row["reference_id"], row["unique_key"]) == (reference, reference)
    assert row["description"] == f"Touch {reference} once"


REFUSED_PARAMETERS = [
    *((given, "parameters.note") for given in (None, {}, {"note": ""}, {"note": "a\0"})),
    ({"note": "a", "nope": 1, "more": 2}, "parameters.more"),
    *(({"note": "a", "share": share}, "parameters.share") for share in ("much", float("inf"), float("nan"))),
    ({"note": "a", "ranges": [{"least": 1}, {"least": "x"}]}, "parameters.ranges[1].least"),
    ({"note": "a", "ranges": {}}, "parameters.ranges"),
    ({"note": "a", "extra": {"b": ["c\0d"]}}, "parameters.extra.b[0]"),
    ({"note": "a", "extra": {"b\0": 1}}, "parameters.extra"),
    ({"note": "a", "extra": ["\ud800"]}, "parameters.extra[0]"),
    ({"note": "a", "extra": ("a", "\0")}, "parameters.extra[1]"),
    ({"note": "a", "extra": {"deep": float("-inf")}}, "parameters.extra"),
    *(([], "parameters"), ("note", "parameters")),
]
REFUSED = {
    "start_at": [
        datetime(2200, 1, 1),  # noqa: DTZ001 – the point
        "2200-01-01T00:00:00Z",
        0,
        datetime(2200, 1, 1, tzinfo=UTC).date(),
        datetime(9999, 1, 2, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
    "description": ["", "  ", "a\nb", "x" * 1_001, "\0", "\ud800", 5],
    "reference_id": [
        "", " ", "\u2003", "x" * 257, "ä" * 129, "€" * 86, "😀" * 64 + "x",
        "a\0b", "\x1f", "a\nb", "a\tb", "\x7f", "\x85", "\ud800", "a\udfff",
        None, 5, b"bytes", ["a"],
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "values"),
    [
        *((field, {field: value}) for field, values in REFUSED.items() for value in values),
        *((path, {"action": "touch_with", "parameters": given}) for given, path in REFUSED_PARAMETERS),
    ],
)
def test_an_impossible_value_is_refused_by_its_path(field: str, values: dict[str, Any]):
    with pytest.raises(InvalidField) as refused:
        schedule(**values)

    assert refused.value.field == field
    assert not Job.objects.exists()


@pytest.mark.parametrize("action", ["no_such_action", "", "Touch"])
def test_an_unknown_action_is_refused(action: str):
    with pytest.raises(UnknownAction) as refused:
        schedule(action)

    assert refused.value.action == action


def test_parameters_are_stored_as_the_serializer_makes_them():
    given = {"note": " kept ", "share": 1, "ranges": [{"least": 5}], "extra": {"a": [1.5, None, "b\nc"]}}

    job = schedule("touch_with", parameters=given)

    job.refresh_from_db()
    assert job.parameters == {**given, "share": 1.0}


@pytest.mark.parametrize("given", [{"note": "a"}, [], ""])
def test_an_action_without_parameters_takes_none(given: Any):
    with pytest.raises(InvalidField, match="the action touch takes none") as refused:
        schedule("touch", parameters=given)

    assert refused.value.field == "parameters"


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.RUNNING])
def test_a_unique_action_s_second_job_is_refused_and_the_active_one_is_named(status: Status):
    active = make_job(status=status, action="touch_once", reference_id="a", unique_key="a")

    with pytest.raises(ActiveJobExists, match=f"job {active.pk} .* already {status}") as refused:
        schedule("touch_once", project=active.project, reference_id="a")

    assert refused.value.job == active
    assert Job.objects.count() == 1
    assert not JobEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_deleted_project_is_no_conflict_to_be_retried():
    project = make_project()
    type(project).objects.filter(pk=project.pk).delete()

    with pytest.raises(ProjectNotFound):
        schedule_job("touch_once", project=project, reference_id="ana@example.com")
