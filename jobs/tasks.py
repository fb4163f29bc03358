"""The one seam to Django Tasks: ``run_job`` as a task, and how a due job is handed to the host's engine.

The task carries the job's id alone and may come late, twice or never: the claim decides. It is a
plain function where ``JOBS["TASK_BACKEND"]`` names no engine, so that Celery's ``autodiscover_tasks``,
which imports every module of this name, asks for nothing that such a host has not installed.
"""

from functools import cache
from typing import Any

from . import conf
from .actions import DEFAULT_QUEUE, find_action
from .engines import engine_process


class HandOverFailed(Exception):
    """The engine did not take a job; ``cause`` is what it raised."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__("the engine did not take the job")


def run_job(job_id: int) -> None:
    """Run the job if it is due and nobody else does; otherwise do nothing."""
    engine_process.current().run(job_id)


def hand_over(job_id: int, *, action: str) -> None:
    """Enqueue a due job with the host's engine, by the queue and the priority of its action.

    One of an action that is not registered here goes to a queue that the engine has: its worker may know it.

    Raises:
        HandOverFailed: the engine cannot be reached, or refuses it.
    """
    found, alias = find_action(action), _alias()
    try:
        # Whatever an engine may raise: its broker is away, its settings are wrong.
        queue, priority = (found.queue, found.priority) if found else (_some_queue(alias), 0)
        _task_for(alias, queue, priority).enqueue(job_id)
    except Exception as error:
        raise HandOverFailed(error) from error


def check_engine(queues: set[str]) -> str:
    """Return what keeps the engine from taking jobs of these queues; empty: nothing."""
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


def _alias() -> str:
    alias = conf.current().task_backend
    assert alias is not None, "a dispatcher runs only where there is an engine"  # noqa: S101
    return alias


def _backend(alias: str) -> Any:
    from .engines import compat  # only where an engine is asked for: it may not be installed

    return compat.task_backends[alias]


@cache
def _task_for(alias: str, queue: str, priority: int) -> Any:
    # A backend that has no priorities refuses all but the usual one.
    return _as_task(alias, queue, priority if _backend(alias).supports_priority else 0)


def _as_task(alias: str, queue: str, priority: int = 0) -> Any:
    from .engines import compat

    return compat.task(backend=alias, queue_name=queue, priority=priority)(_function)


def _some_queue(alias: str) -> str:
    """Return a queue that the backend knows, the usual one if it has that."""
    queues = _backend(alias).queues
    return DEFAULT_QUEUE if not queues or DEFAULT_QUEUE in queues else min(queues)


_function = run_job
if (_named := conf.current().task_backend) is not None:
    # What workers find under the name that the engine carries.
    run_job = _as_task(_named, _some_queue(_named))
