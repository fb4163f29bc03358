"""What an engine does without us: an empty task that makes the two updates of a job's row itself."""

import os
from typing import Any

from celery import shared_task
from django.utils import timezone

from jobs.tasklib import task
from tests.benchmarks.job_actions import tell
from tests.benchmarks.models import BareJob


def _work(pk: int) -> None:
    if BareJob.objects.filter(pk=pk, status="scheduled").update(status="running", started_at=timezone.now()):
        BareJob.objects.filter(pk=pk, status="running").update(status="completed", finished_at=timezone.now())


def _tell(sample: int) -> None:
    import time

    tell(f"{sample} {time.monotonic_ns()}")


work_task, tell_task = task(_work), task(_tell)
work_celery: Any = shared_task(name="benchmarks.work", acks_late=True, ignore_result=True)(_work)
tell_celery: Any = shared_task(name="benchmarks.tell", acks_late=True, ignore_result=True)(_tell)


def enqueue(what: str, number: int) -> None:
    """Enqueue ``work`` or ``tell`` as a host of the engine would."""
    if os.environ["BENCHMARK_ENGINE"] == "celery":
        queue = f"{os.environ['BENCHMARK_QUEUE_PREFIX']}default"
        {"work": work_celery, "tell": tell_celery}[what].apply_async((number,), queue=queue)
    else:
        {"work": work_task, "tell": tell_task}[what].enqueue(number)
