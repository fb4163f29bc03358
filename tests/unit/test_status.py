"""The five words, and the moves between them."""

import pytest

from jobs.models import Job
from jobs.status import ACTIVE, TRANSITIONS, Status


def test_the_statuses_are_those_of_the_contract():
    assert [status.value for status in Status] == ["scheduled", "running", "completed", "failed", "cancelled"]


def test_a_status_is_its_word():
    assert f"{Status.RUNNING}" == "running"
    assert Status("running") is Status.RUNNING


@pytest.mark.parametrize("status", Status)
def test_a_status_is_final_or_active(status: Status):
    assert status.is_final != (status in ACTIVE)


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_nothing_leads_out_of_a_final_status(status: Status):
    assert status.is_final
    assert TRANSITIONS[status] == frozenset()


def test_the_moves_are_those_of_the_drawing():
    assert {(str(was), str(to)) for was, all_to in TRANSITIONS.items() for to in all_to} == {
        ("scheduled", "running"),
        ("scheduled", "cancelled"),
        ("running", "scheduled"),
        ("running", "completed"),
        ("running", "failed"),
        ("running", "cancelled"),
    }


def test_every_word_fits_its_column():
    assert max(map(len, Status)) <= Job._meta.get_field("status").max_length
