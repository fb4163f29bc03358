"""Tasks that run in an engine without ``jobs``: one makes the two updates of a job's row itself."""

import os
import time
from typing import Any, Final

from celery import shared_task
from django.utils import timezone

from jobs.engines.compat import task
from tests.benchmarks.job_actions import tell
from tests.benchmarks.models import BareJob


@task
def work(pk: int) -> None:
    if BareJob.objects.filter(pk=pk, status="scheduled").update(status="running", started_at=timezone.now()):
        BareJob.objects.filter(pk=pk, status="running").update(status="completed", finished_at=timezone.now())


@task
def say(sample: int) -> None:
    tell(f"{sample} {time.monotonic_ns()}")


TASKS: Final[dict[str, Any]] = {"work": work, "say": say}
FOR_CELERY: Final[dict[str, Any]] = {
    name: shared_task(name=f"benchmarks.{name}", acks_late=True, ignore_result=True)(one.func)
    for name, one in TASKS.items()
}


def enqueue(what: str, number: int) -> None:
    """Enqueue ``work`` or ``say`` as a host of the engine would."""
    if os.environ["BENCHMARK_ENGINE"] == "celery":
        FOR_CELERY[what].apply_async((number,), queue=f"{os.environ['BENCHMARK_QUEUE_PREFIX']}default")
    else:
        TASKS[what].enqueue(number)
