"""What Django runs after the commit of a chunk: all of it, unguarded, and no error of it undoes the chunk."""

import logging
from typing import Any, NoReturn

import pytest
from django.db import transaction
from django.db.models.signals import post_delete
from django.test import TestCase

from jobs import JobContext
from jobs.exceptions import WriteOutsideChunk
from jobs.execution.runner import Outcome
from tests.support.execution import ANA, make_context, make_visits, run_attempt, visits_of, write_in_chunk
from tests.support.hostapp.models import Ledger, Visit

pytestmark = pytest.mark.django_db(transaction=True)


def lines() -> list[str]:
    return list(Ledger.objects.order_by("pk").values_list("what", flat=True))


def write(what: str) -> None:
    Ledger.objects.create(job_id=1, what=what)


def raise_value_error() -> NoReturn:
    raise ValueError("ana@example.com")


def test_hooks_that_write_run_after_each_chunk_and_the_erase_goes_on():
    make_visits(ANA, 1_200)

    def count_later(**_: Any) -> None:
        transaction.on_commit(lambda: write("gone"))

    post_delete.connect(count_later, sender=Visit)
    try:
        ran, job = run_attempt(lambda context: context.erase("visits", visits_of(ANA)))
    finally:
        post_delete.disconnect(count_later, sender=Visit)

    assert ran.outcome is Outcome.COMPLETED
    assert job.receipt["stores"]["visits"] == {"found": 1_200, "done": 1_200, "left": 0}
    assert lines() == ["gone"] * 1_200


@pytest.mark.parametrize("robust", [False, True])
def test_a_hook_that_raises_keeps_no_other_from_running_and_is_logged_without_its_text(
    robust: bool, caplog: pytest.LogCaptureFixture
):
    def register(context: JobContext) -> None:
        with context.chunk():
            transaction.on_commit(lambda: write("first"))
            transaction.on_commit(raise_value_error, robust=robust)
            transaction.on_commit(lambda: write("last"))

    with caplog.at_level(logging.ERROR):
        ran, job = run_attempt(register)

    assert ran.outcome is Outcome.COMPLETED
    assert lines() == ["first", "last"]
    (record,) = caplog.records
    assert record.getMessage() == f"job={job.pk} hook=raise_value_error raised ValueError after the commit"
    assert "ana@" not in caplog.text


def test_hooks_of_a_chunk_that_is_rolled_back_do_not_run():
    context = make_context()

    with pytest.raises(ZeroDivisionError), context.chunk():
        transaction.on_commit(lambda: write("never"))
        raise ZeroDivisionError
    write_in_chunk(context)

    assert lines() == [""]


def test_a_hook_that_runs_at_once_outside_a_chunk_is_guarded_like_the_action():
    with pytest.raises(WriteOutsideChunk), make_context().guarded():
        transaction.on_commit(lambda: write("stray"))


def test_a_hook_may_register_further_hooks_and_open_a_chunk():
    context = make_context()

    def hook() -> None:
        transaction.on_commit(lambda: write("second"))
        write_in_chunk(context)

    with context.guarded(), context.chunk():
        transaction.on_commit(hook)

    assert lines() == ["second", ""]


class InATestCase(TestCase):
    def test_hooks_stay_for_the_test_to_capture(self) -> None:
        context = make_context()

        with self.captureOnCommitCallbacks() as captured, context.guarded(), context.chunk():
            transaction.on_commit(lambda: write("captured"))

        assert len(captured) == 1
        assert lines() == []
