"""Whether deleting rows would delete the project of the running job by a cascade, and the job with it."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from django.db import models
from django.db.models import QuerySet

from ..exceptions import JobFailed
from ..models import Job

DELETES_ITSELF: Final = (
    "This would delete the job's own project, and the job with it. Create the job in another project."
)


def check_keeps_job(job_id: int, rows: QuerySet[Any]) -> None:
    """Refuse to delete ``rows`` if that deletes the job; costs no query unless a cascade leads from them to jobs.

    Raises:
        JobFailed: it does.
    """
    model: Any = rows.model
    wanted = rows.order_by().values("pk")
    for path in _paths_to(model):
        lookup = f"{path}__pk__in" if path else "pk__in"
        if Job.objects.filter(pk=job_id, **{lookup: wanted}).exists():
            raise JobFailed(DELETES_ITSELF)


@cache
def _paths_to(model: type[models.Model]) -> tuple[str, ...]:
    """Return the lookups by which a job leads to rows of ``model`` whose deletion cascades to the job."""
    return tuple("__".join(names) for names, end in _reached(Job, ()) if end is model._meta.concrete_model)


def _reached(
    start: type[models.Model], passed: tuple[type[models.Model], ...]
) -> Iterator[tuple[tuple[str, ...], type[models.Model]]]:
    """Yield every model whose rows take those of ``start`` with them, and the names of the fields that lead there."""
    yield (), start
    for field in start._meta.get_fields():
        remote: Any = field.remote_field
        # A row goes with the row that it refers to, and with the row of a child model.
        is_child = bool(field.one_to_one and field.auto_created and getattr(remote, "parent_link", False))
        cascades = isinstance(field, models.ForeignKey) and remote.on_delete is models.CASCADE
        end: Any = field.related_model
        if (is_child or cascades) and end._meta.concrete_model not in (*passed, start):
            for names, model in _reached(end._meta.concrete_model, (*passed, start)):
                yield (field.name, *names), model
