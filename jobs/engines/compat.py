"""Django Tasks, from Django 6 or from the package ``django-tasks``; without either, ``ImportError``.

Import this module only where the host names an engine.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.tasks import Task, TaskResult, TaskResultStatus, task, task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.signals import task_enqueued
else:
    try:
        from django.tasks import Task, TaskResult, TaskResultStatus, task, task_backends
        from django.tasks.backends.base import BaseTaskBackend
        from django.tasks.signals import task_enqueued
    except ImportError:
        from django_tasks import TaskResult, TaskResultStatus, task, task_backends
        from django_tasks.backends.base import BaseTaskBackend
        from django_tasks.base import Task
        from django_tasks.signals import task_enqueued

__all__ = ["BaseTaskBackend", "Task", "TaskResult", "TaskResultStatus", "task", "task_backends", "task_enqueued"]
