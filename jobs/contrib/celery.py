"""A backend for Django Tasks that sends tasks to Celery, for Django 5.2 and 6 and for RabbitMQ.

In ``TASKS``: ``{"BACKEND": "jobs.contrib.celery.CeleryBackend", "QUEUES": [], "OPTIONS": {"app": "shop.celery.app"}}``.
A message is the task's path and its arguments, as JSON; ``enqueue`` returns when the broker has confirmed it. Results
are not stored: the job's row has its outcome. Where several sites share a broker, ``queue_prefix`` in ``OPTIONS`` is
put before the names of queues.
"""

import inspect
import logging
import mmap
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

from celery import Celery, shared_task
from celery.signals import worker_init, worker_process_init, worker_process_shutdown, worker_shutting_down
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .. import tasks
from ..engines import engine_process
from ..engines.compat import BaseTaskBackend, Task, TaskResult, TaskResultStatus, task_enqueued
from ..processes.watchdog import WATCHDOG
from .rabbitmq import CONFIRM_SECONDS, RETRY_POLICY, ConfirmedChannel

logger = logging.getLogger(__name__)

LOWEST_PRIORITY: Final = -100
HIGHEST_PRIORITY: Final = 100
RUN_JOB: Final = "jobs.tasks.run_job"


@shared_task(
    name="jobs.contrib.celery.run_task",
    acks_late=True,
    reject_on_worker_lost=True,
    acks_on_failure_or_timeout=True,
    ignore_result=True,
    max_retries=0,
    typing=False,
)  # type: ignore[untyped-decorator]
def run_task(*message: Any, **further: Any) -> None:
    """Call a Django task. The message is acknowledged at the end; if the worker dies, it comes again.

    Anybody who can reach the broker may have sent it: nothing is imported for it, and it is dropped with a line in
    the log unless it is the path of a task, the list of its arguments and a dict of the named ones.
    """
    call = None if further else _call_of(*message)
    if call is None:
        logger.error("dropped a message that is no call of a task known here; set JOBS['TASK_BACKEND'] in workers, too")
    else:
        call()


def _call_of(path: Any = None, args: Any = None, kwargs: Any = None, *further: Any) -> Callable[[], Any] | None:
    task = _find_task(path) if isinstance(path, str) else None
    if task is None or not isinstance(args, list | tuple) or not isinstance(kwargs, dict) or further:
        return None
    try:
        inspect.signature(task.func).bind(*args, **kwargs)
    except TypeError:
        return None
    return partial(task.call, *args, **kwargs)


def _find_task(path: str) -> Any:
    """Return the task at ``path``; None: its module is not loaded, or has no such task."""
    module, _, name = path.rpartition(".")
    # Neither `getattr` nor `isinstance`: modules and lazy objects may import when they are asked.
    found = tasks.run_job if path == RUN_JOB else getattr(sys.modules.get(module), "__dict__", {}).get(name)
    return found if issubclass(type(found), Task) else None


class CeleryBackend(BaseTaskBackend):
    """Send tasks to the Celery app that ``OPTIONS["app"]`` names; ``QUEUES: []`` allows every queue."""

    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        if not isinstance(self.options.get("app"), str):
            raise ImproperlyConfigured(f"TASKS[{alias!r}] needs OPTIONS = {{'app': 'dotted.path.of.your.celery.app'}}")
        self._prefix = str(self.options.get("queue_prefix", ""))
        self._app: Celery | None = None
        self._channel: ConfirmedChannel | None = None

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Send the task, and return when the broker has confirmed it.

        Raises:
            Exception: the broker cannot be reached, or has not confirmed; it may still have the task.
        """
        self.validate_task(task)
        result: Any = _result(task, args, kwargs, alias=self.alias)
        self._send(result, retry=True, retry_policy=RETRY_POLICY, confirm_timeout=CONFIRM_SECONDS)
        task_enqueued.send(type(self), task_result=result)
        return result

    def enqueue_batch(self, calls: Sequence[tuple[Any, Sequence[Any]]]) -> tuple[set[int], Exception | None]:
        """Send tasks with their arguments, and wait for the broker's confirmations of all of them at once.

        Returns the places of those that it has confirmed, and what went wrong with the others; it may still have them.
        """
        for task in {id(task): task for task, _ in calls}.values():
            self.validate_task(task)
        results: list[Any] = [_result(task, args, {}, alias=self.alias) for task, args in calls]
        confirmed, error = self.channel.send([partial(self._send, result, retry=False) for result in results])
        for place in sorted(confirmed):
            task_enqueued.send(type(self), task_result=results[place])
        return confirmed, error

    @property
    def supports_batch(self) -> bool:
        """Whether :meth:`enqueue_batch` can be used: with RabbitMQ."""
        return self.channel.is_supported

    @property
    def channel(self) -> ConfirmedChannel:
        """The channel for batches; Django Tasks make a backend for each thread, so no other thread uses it."""
        if self._channel is None:
            self._channel = ConfirmedChannel(self.app)
        return self._channel

    def _send(self, result: Any, producer: Any = None, **options: Any) -> None:
        task = result.task
        queue = self._prefix + task.queue_name
        self.app.send_task(
            run_task.name,
            args=(task.module_path, result.args, result.kwargs),
            task_id=result.id,
            queue=queue,
            serializer="json",
            ignore_result=True,
            producer=producer,
            **options,
            **self._priority(task.priority, queue),
        )

    @property
    def app(self) -> Celery:
        """The host's Celery app; imported on first use, as it may import the settings."""
        if self._app is None:
            app = import_string(self.options["app"])
            # A message that is not confirmed may be lost without an error.
            app.conf.broker_transport_options = {"confirm_publish": True, **(app.conf.broker_transport_options or {})}
            self._app = app
        return self._app

    def _priority(self, priority: int, name: str) -> dict[str, int]:
        """Map -100 … 100 to the priorities of the queue; without ``x-max-priority`` it has none."""
        queue = self.app.amqp.queues[name]
        most = queue.max_priority or (queue.queue_arguments or {}).get("x-max-priority")
        if not most:
            return {}
        return {"priority": round((priority - LOWEST_PRIORITY) / (HIGHEST_PRIORITY - LOWEST_PRIORITY) * most)}


def _result(task: Any, args: Any, kwargs: Any, *, alias: str) -> Any:
    return TaskResult(
        task=task,
        id=str(uuid4()),
        status=TaskResultStatus.READY,
        enqueued_at=datetime.now(UTC),
        args=list(args),
        kwargs=dict(kwargs),
        backend=alias,
        errors=[],
        worker_ids=[],
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
    )


# One byte that a worker shares with the processes that it forks: Celery signals a shutdown to the worker alone.
_ending: Final = mmap.mmap(-1, 1)
_pool_master: int | None = None


@worker_init.connect(weak=False)  # type: ignore[untyped-decorator]
def _begin(**_: Any) -> None:
    global _pool_master
    _ending[0] = 0
    _pool_master = os.getpid()
    engine_process.stop_when(lambda: _ending[0] != 0)


@worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    """Release running jobs at their next chunk, so that a warm shutdown takes seconds."""
    _ending[0] = 1


@worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]
def _begin_process(**_: Any) -> None:
    """Send a heartbeat before the first job. Celery replaces a child of its prefork pool that ends, nothing else."""
    WATCHDOG.may_end_process = _pool_master not in (None, os.getpid())
    engine_process.current()


@worker_process_shutdown.connect(weak=False)  # type: ignore[untyped-decorator]
def _end_process(**_: Any) -> None:
    engine_process.current().end()
