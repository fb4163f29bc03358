"""A process of Celery's prefork pool that an action keeps from running is replaced; another pool's is never ended."""

import pytest

from jobs.status import Status
from tests.system.engines.engine_jobs import schedule, schedule_many, until_completed, until_status
from tests.system.engines.engines import Celery, check_available, closing_engine
from tests.system.engines.processes import wait_for

pytestmark = [pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]


def test_a_process_of_the_prefork_pool_whose_gil_is_held_is_replaced_and_its_job_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
):
    check_available(Celery)
    monkeypatch.setenv("TEST_WATCHDOG_SECONDS", "5")
    with closing_engine(Celery()) as engine:
        worker = engine.start()
        poison = schedule("hold_gil")

        until_status(poison, Status.FAILED)
        until_completed(*schedule_many(6))

        wait_for(lambda: worker.log.count("in hold_gil") >= 3, what="three processes to be ended")
        assert worker.is_alive

    assert (poison.failures, poison.crashes) == (0, 3)
