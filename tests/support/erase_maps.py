"""Makes models for erase maps, inside ``isolate_apps``, with tables where they are needed; runs maps on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models

from jobs import get_project_model
from jobs.erasure import Subject
from jobs.erasure.planning import plan_of
from jobs.erasure.subjects import EraseHandler
from jobs.execution.chunks import stores_of
from jobs.execution.runner import Outcome
from jobs.models import Job
from jobs.services.reports.erase_preview import ErasePreview, preview_erase
from tests.support.execution import ANA, registered_action, run_attempt
from tests.support.factories import make_running_job

APP: Final = "tests.support.hostapp"


def model(name: str, /, *bases: Any, options: dict[str, Any] | None = None, **members: Any) -> Any:
    """Return a new model of the host app; ``options`` are those of its ``Meta``."""
    # The app has a table of some of these names already.
    own = {"app_label": "hostapp", "ordering": ["-id"], "db_table": f"erasemap_{name.lower()}"}
    meta = type("Meta", (), {**own, **(options or {})})
    return type(models.Model)(name, bases or (models.Model,), {"__module__": APP, "Meta": meta, **members})


def to_project(**options: Any) -> Any:
    return key(get_project_model(), **options)


def key(to: Any, on_delete: Any = models.CASCADE, **options: Any) -> Any:
    """Return a foreign key; a nullable one where the rows stay."""
    is_null = options.pop("null", on_delete is models.SET_NULL)
    return models.ForeignKey(to, on_delete=on_delete, null=is_null, **{"related_name": "+", **options})


def text() -> Any:
    return models.CharField(max_length=100, default="")


def note(object_id: Any, **options: Any) -> Any:
    """Return a model whose rows have a generic key; ``options`` are those of its GenericForeignKey."""
    about = GenericForeignKey("content_type", "object_id", **options)
    return model("Note", content_type=key(ContentType), object_id=object_id, about=about)


def visit(**members: Any) -> Any:
    """Return a model whose rows have a project and a ``user_id``."""
    return model("Visit", project=to_project(), user_id=text(), **members)


def child(name: str, parent: Any, **members: Any) -> Any:
    """Return a model that inherits from another one, in a table of its own."""
    return model(name, parent, options={"ordering": []}, **members)


def add_part(made: Any, row: Any, **values: Any) -> Any:
    """Add the row of a child model to an existing row of its parent."""
    link = made._meta.get_ancestor_link(type(row))
    part = made(**{link.attname: row.pk}, **values)
    part.save_base(raw=True)
    return made.objects.get(pk=part.pk)


def faults_of(subject: Subject) -> list[str]:
    """Return what is wrong with a map."""
    return [problem.fault.name for problem in plan_of(subject).problems]


def order_of(subject: Subject) -> list[tuple[str, str]]:
    """Return each store in its order, and what happens to it; of a map without an error."""
    plan = plan_of(subject)
    assert not plan.problems, plan.problems
    return [(store.name.removeprefix("hostapp."), store.what.value) for store in plan.stores]


@contextmanager
def tables_of(*made: Any) -> Iterator[None]:
    """Have the models' tables in the block."""
    with connection.schema_editor() as editor:
        for each in made:
            editor.create_model(each)
    try:
        yield
    finally:
        ContentType.objects.clear_cache()
        with connection.schema_editor() as editor:
            for each in reversed(made):
                editor.delete_model(each)


def try_map(subject: Subject, *, project: Any, reference: str = ANA) -> tuple[Outcome, Job]:
    """Run the only attempt of a job that erases by a map."""
    job = make_running_job(action="trial", project=project, reference_id=reference)
    ran, job = run_attempt(EraseHandler(subject), job, max_attempts=1)
    return ran.outcome, job


def run_map(subject: Subject, *, project: Any, reference: str = ANA, completes: bool = True) -> Job:
    """Run one attempt of a job that erases by a map; it must complete, or else fail in its own words."""
    outcome, job = try_map(subject, project=project, reference=reference)
    assert outcome is (Outcome.COMPLETED if completes else Outcome.FAILED), (job.errors, job.events.last().detail)
    assert completes or "another project" in (job.errors or ""), (job.errors, job.events.last().detail)
    return job


def told_of(job: Job) -> list[tuple[str, str, int | None, int, int | None]]:
    """Return the lines of a receipt in the map's order: store, what, found, done, left."""
    return [
        (name.removeprefix("hostapp."), entry["what"], entry["found"], entry["done"], entry["left"])
        for name, entry in stores_of(job.receipt)
    ]


def preview_of(subject: Subject, *, project: Any, reference: str = ANA, **options: Any) -> ErasePreview:
    """Return the preview of a job that erases by a map."""
    with registered_action(EraseHandler(subject)) as name:
        return preview_erase(name, project=project, reference_id=reference, **options)


def counts_of(preview: ErasePreview) -> dict[str, int | None]:
    """Return the exact counts of a preview by store."""
    assert not any(store.is_at_least for store in preview.stores)
    return {store.name.removeprefix("hostapp."): store.rows for store in preview.stores}
