"""What else can be sent to the broker is dropped: nothing is imported, no process ends, and no job is handed back."""

import pytest

from jobs.models import Job
from jobs.status import Status
from tests.support.execution import make_visits
from tests.system.engines.engine_jobs import OWNER, count_written, schedule, until_completed, until_running
from tests.system.engines.engines import Celery, CelerySolo, check_available, closing_engine
from tests.system.engines.processes import wait_for

pytestmark = [pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("kind", [Celery, CelerySolo], ids=lambda kind: kind.__name__)
def test_hostile_messages_are_dropped_and_jobs_go_on(kind: type[Celery]):
    check_available(kind)
    with closing_engine(kind()) as engine:
        make_visits(OWNER, 4_000)
        engine.start_dispatcher()
        worker = engine.start_worker()
        running = schedule("erase_visits_slowly")
        until_running(running)

        sent = int(engine.programs.run("-m", "tests.support.django_program", "tests.system.engines.send_hostile"))
        jobs = [schedule(), schedule()]
        until_completed(*jobs, running)
        wait_for(lambda: worker.log.count("dropped a message") >= sent, what="the worker to drop all")

        assert worker.is_alive
        assert worker.log.count("dropped a message") == sent, "each once: none comes again"
        assert "Imported for a message" not in worker.log
        assert "Traceback" not in worker.log
        assert not Job.objects.exclude(status=Status.COMPLETED).exists()
        assert {job.attempt for job in Job.objects.all()} == {1}
        assert [count_written(job) for job in jobs] == [1, 1]
