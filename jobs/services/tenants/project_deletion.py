"""What goes with a deleted project: its jobs and their events, in the transaction that deletes it."""

import logging
from functools import partial
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models, transaction
from django.db.models import Count, Q
from django.db.models.signals import pre_delete

from ...db.connection import supports_row_locks
from ...models import Job, JobEvent
from ...status import ACTIVE
from .projects import get_project_model

logger = logging.getLogger(__name__)


def watch_projects() -> None:
    """Call :func:`delete_jobs_of` before a project is deleted by Django, directly or by a cascade."""
    try:
        label = get_project_model()._meta.label
    except ImproperlyConfigured:  # the check jobs.E002 says so
        return
    # Without a sender, no model of the host could be deleted by one statement any more. Proxies send their own class.
    for model in apps.get_models():
        if model._meta.concrete_model is not None and model._meta.concrete_model._meta.label == label:
            pre_delete.connect(delete_jobs_of, sender=model, dispatch_uid=f"jobs.delete_jobs_of.{model._meta.label}")


def delete_jobs_of(*, instance: models.Model, using: str, **_: Any) -> None:
    """Delete the jobs of a project, after their open chunks, and log how many once the deletion is committed.

    Django has listed the jobs before; those that were added since would make its COMMIT fail, and
    so would an event that a worker adds. The locks of jobs come first: a chunk that has one may wait for
    the project's.
    """
    jobs = Job.objects.using(using).filter(project=instance.pk).order_by()
    projects = type(instance)._base_manager.using(using).filter(pk=instance.pk)
    if supports_row_locks(connections[using]):
        for rows in (jobs.order_by("pk"), projects.order_by()):
            _lock(rows)
    counts = jobs.aggregate(all=Count("pk"), active=Count("pk", filter=Q(status__in=ACTIVE)))
    if not counts["all"]:
        return
    events = JobEvent.objects.using(using).filter(job__in=jobs)._raw_delete(using)
    jobs._raw_delete(using)
    facts = (getattr(instance, "key", ""), counts["all"], counts["active"], events)
    message = "project=%s was deleted with %d jobs, of which %d waited or ran, and %d events"
    transaction.on_commit(partial(logger.info, message, *facts), using=using, robust=True)


def _lock(rows: Any) -> None:
    """Lock rows until the transaction ends, without reading them into memory."""
    for _ in rows.select_for_update(of=("self",)).values_list("pk").iterator(chunk_size=2_000):
        pass
