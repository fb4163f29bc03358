"""The five statuses, and the transitions between them."""

import pytest

from jobs.models import Job
from jobs.status import ACTIVE, TRANSITIONS, Status


def test_the_statuses_are_those_of_the_contract():
    assert [status.value for status in Status] == ["scheduled", "running", "completed", "failed", "cancelled"]
    assert f"{Status.RUNNING}" == "running"
    assert max(map(len, Status)) <= Job._meta.get_field("status").max_length


@pytest.mark.parametrize("status", Status)
def test_a_status_is_final_or_active(status: Status):
    assert status.is_final != (status in ACTIVE)


def test_the_transitions_are_these():
    assert {f"{was} {to}" for was, all_to in TRANSITIONS.items() for to in all_to} == {
        *("scheduled running", "scheduled cancelled", "running scheduled"),
        *("running completed", "running failed", "running cancelled"),
    }
