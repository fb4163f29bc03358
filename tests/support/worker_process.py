"""Worker processes on the test's database: started, watched, stopped, killed."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from django.db import connection

from jobs.models import Job
from tests.support.concurrency import until
from tests.support.source import ROOT

EXIT_SECONDS: Final = 15  # a worker has 10 by its own promise; the machine may be busy


class WorkerProcess:
    """One ``manage.py jobworker`` with the short times of ``tests.settings_fast``."""

    def __init__(self, log: IO[bytes], *options: str) -> None:
        self._log = log
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings_fast",
            "TEST_SETTINGS": os.environ["DJANGO_SETTINGS_MODULE"],
            "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            "LOG_LEVEL": "DEBUG",
        }
        command = [sys.executable, "manage.py", "jobworker", *options]
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return Path(self._log.name).read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, signum: signal.Signals) -> None:
        self._process.send_signal(signum)

    def wait(self) -> int:
        """Return its exit status; fail if it does not end."""
        return self._process.wait(EXIT_SECONDS)

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()


@contextmanager
def worker_process(*options: str) -> Iterator[WorkerProcess]:
    """Start a worker; it is gone when the block ends. Its log is shown if the block fails."""
    with tempfile.NamedTemporaryFile(prefix="jobs-worker-", suffix=".log") as log:
        worker = WorkerProcess(log, *options)
        try:
            yield worker
        except BaseException:
            print(worker.log)
            raise
        finally:
            worker.kill()


def status_of(job: Job) -> str:
    return Job.objects.values_list("status", flat=True).get(pk=job.pk)


def until_status(job: Job, *wanted: str, worker: WorkerProcess | None = None) -> Any:
    """Wait until the job has one of these statuses, and return the row."""

    def reached() -> bool:
        assert worker is None or worker.is_alive, f"the worker has ended:\n{worker.log}"
        return status_of(job) in wanted

    until(reached, what=f"job {job.action} to be {' or '.join(wanted)}")
    job.refresh_from_db()
    return job
