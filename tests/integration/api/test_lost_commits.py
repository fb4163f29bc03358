"""An outage of the database at the COMMIT: the answer does not claim that nothing was changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections

from jobs.models import Job
from jobs.status import Status
from tests.support.api_client import Api, assert_error
from tests.support.concurrency import lost_connection

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = [OperationalError, InterfaceError]
WANTED = {"action": "touch_publicly", "referenceId": "shekar@example.com"}


@pytest.fixture
def api(api: Api) -> Api:
    """Note the use of the key and count the jobs that wait, which are commits of their own, once a minute."""
    assert api.post("/jobs", WANTED).status_code == 201
    Job.objects.all().delete()
    return api


@contextmanager
def answers_lost(kind: type[Exception]) -> Iterator[None]:
    """Let each COMMIT take effect, and its answer never come."""
    wrapper = type(connections[DEFAULT_DB_ALIAS])
    commit = wrapper._commit

    def commit_and_lose(self: Any) -> None:
        commit(self)
        raise lost_connection(kind)

    with patch.object(wrapper, "_commit", commit_and_lose):
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_lost_commit_of_a_create_or_a_cancel_the_outcome_is_unknown(api: Api, kind: type[Exception]):
    with answers_lost(kind):
        created = api.post("/jobs", WANTED)
    job = Job.objects.get()
    with answers_lost(kind):
        cancelled = api.delete(f"/jobs/{job.pk}")

    assert Job.objects.get(pk=job.pk).status == Status.CANCELLED
    for response in (created, cancelled):
        assert_error(response, 503, "outcome_unknown")
        assert "look whether it was made" in response.json()["error"]
        assert "Retry-After" not in response


@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_before_the_commit_has_changed_nothing(api: Api, kind: type[Exception]):
    with patch("jobs.services.commands.insert.transitions.schedule_many", side_effect=lost_connection(kind)):
        response = api.post("/jobs", WANTED)

    assert not Job.objects.exists()
    assert_error(response, 503, "unavailable")
