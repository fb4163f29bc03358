"""The Django task ``run_job``, which an engine's workers run, and how the dispatcher enqueues it.

The task carries the job's id alone and may come late, twice or never: the claim decides. Where
``JOBS["TASK_BACKEND"]`` names no engine, nothing of Django Tasks is imported, as it may not be installed;
Celery's ``autodiscover_tasks`` imports every module of this name.
"""

import logging
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.core.signals import setting_changed

from . import conf
from .actions import DEFAULT_QUEUE, find_action

logger = logging.getLogger(__name__)


class HandOverFailed(Exception):
    """The engine did not take a job; ``cause`` is what it raised."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__("the engine did not take the job")


def __getattr__(name: str) -> Any:
    """Return ``run_job``: a task of the engine that ``JOBS["TASK_BACKEND"]`` names; without one a plain function."""
    if name != "run_job":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    alias = conf.current().task_backend
    return _run_job if alias is None else _as_task(alias, _some_queue(alias))


def _run_job(job_id: int) -> None:
    """Run the job if it is due and no other worker has claimed it; otherwise do nothing.

    A message that names no possible job is dropped: it would fail in the engine process, and end it.
    """
    from .engines import engine_process  # only where jobs run: web processes load this module, too
    from .models import BIGGEST_ID

    if type(job_id) is not int or not 0 < job_id <= BIGGEST_ID:
        logger.error("dropped a message: what it names cannot be the id of a job")
        return
    engine_process.current().run(job_id)


# An engine finds the task by the path that these make: jobs.tasks.run_job.
_run_job.__name__ = _run_job.__qualname__ = "run_job"


def hand_over(job_id: int, *, action: str) -> None:
    """Dispatch a job: enqueue it with the host's engine, by the queue and the priority of its action.

    If the action is not registered here, a worker of the engine may still know it, so the
    job goes to any queue that the engine has.

    Raises:
        HandOverFailed: the engine cannot be reached, or does not accept the task.
    """
    try:
        _task_for(action).enqueue(job_id)
    except Exception as error:  # an engine may raise anything: its broker is away, its settings are wrong
        raise HandOverFailed(error) from error


def dispatch_many(jobs: Iterable[tuple[int, str]]) -> tuple[list[int], HandOverFailed | None]:
    """Dispatch jobs, given by id and action; all at once if the backend declares that it can (``supports_batch``).

    Returns the ids of those that the engine took for certain, and why it did not take the
    others; it may have some of them. Where it takes one by one, the first failure is the end.
    """
    taken: list[int] = []
    try:
        backend = _backend(_alias())
        if getattr(backend, "supports_batch", False) and (batch := list(jobs)):
            places, error = backend.enqueue_batch([(_task_for(action), [job_id]) for job_id, action in batch])
            return [batch[place][0] for place in sorted(places)], HandOverFailed(error) if error else None
        for job_id, action in jobs:
            _task_for(action).enqueue(job_id)
            taken.append(job_id)
    except Exception as error:  # noqa: BLE001 – the same
        return taken, HandOverFailed(error)
    return taken, None


def _task_for(action: str) -> Any:
    """Return the task for the queue and the priority of ``action``; a backend without priorities accepts only 0."""
    found, alias = find_action(action), _alias()
    queue, priority = (found.queue, found.priority) if found else (_some_queue(alias), 0)
    return _as_task(alias, queue, priority if _backend(alias).supports_priority else 0)


def _alias() -> str:
    alias = conf.current().task_backend
    assert alias is not None, "a dispatcher runs only where there is an engine"  # noqa: S101 – for the type checker
    return alias


def check_engine(queues: set[str]) -> str:
    """Return why the engine cannot take jobs of these queues; empty: it can."""
    alias = conf.current().task_backend
    if alias is None:
        return ""
    try:
        backend = _backend(alias)
    except ImportError:
        return "Django Tasks are not installed."
    except Exception as error:  # noqa: BLE001 – a backend may refuse its settings in any way
        return f"TASKS has no backend {alias!r} that works: {error}"
    if backend.queues and (unknown := sorted(queues - set(backend.queues))):
        return f"The backend {alias!r} in TASKS has no queue {', '.join(map(repr, unknown))}."
    return ""


def _backend(alias: str) -> Any:
    from .engines import compat  # only where an engine is named: Django Tasks may not be installed

    return compat.task_backends[alias]


@cache
def _as_task(alias: str, queue: str, priority: int = 0) -> Any:
    from .engines import compat

    return compat.task(backend=alias, queue_name=queue, priority=priority)(_run_job)


setting_changed.connect(lambda **_: _as_task.cache_clear(), weak=False, dispatch_uid="jobs.tasks")


def _some_queue(alias: str) -> str:
    """Return a queue that the backend has: the default one, if it has that."""
    queues = _backend(alias).queues
    return DEFAULT_QUEUE if not queues or DEFAULT_QUEUE in queues else min(queues)
