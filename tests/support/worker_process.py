"""Starts worker processes on the test database, and waits for the statuses that their jobs reach."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.models import Job
from tests.support.concurrency import until
from tests.support.processes import Process, environment_on_test_database


@contextmanager
def worker_process(*options: str, settings: str = "tests.settings_fast", **variables: str) -> Iterator[Process]:
    """Run ``manage.py jobworker`` with short times until the block ends; print its log if the block fails."""
    with tempfile.TemporaryDirectory(prefix="jobs-worker-") as directory:
        environment = environment_on_test_database(settings) | variables
        worker = Process("manage.py", "jobworker", *options, log_path=Path(directory, "log"), environment=environment)
        try:
            yield worker
        except BaseException:
            print(worker.log)
            raise
        finally:
            worker.kill()


def status_of(job: Job) -> str:
    return Job.objects.values_list("status", flat=True).get(pk=job.pk)


def until_status(job: Job, *wanted: str, worker: Process | None = None) -> Any:
    def reached() -> bool:
        assert worker is None or worker.is_alive, f"the worker has ended:\n{worker.log}"
        return status_of(job) in wanted

    until(reached, what=f"job {job.action} to be {' or '.join(wanted)}")
    job.refresh_from_db()
    return job
