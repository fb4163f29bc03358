"""The run of a map: each store in its order, by the job's own ways, with a receipt that says what was done."""

from typing import TYPE_CHECKING, Any

from ..exceptions import JobFailed
from .declaration import Subject, What
from .plan import Plan, Store
from .planning import sound_plan_of
from .rows import PersonRows

if TYPE_CHECKING:
    from ..execution.context import JobContext


def run(subject: Subject, job: "JobContext[Any]") -> None:
    """Erase the person ``job.reference_id`` in ``job.project`` by the map.

    Raises:
        ActionMisused: the map has errors that ``manage.py check`` reports.
        JobFailed: rows of another project would go, too; nothing was changed.
    """
    plan = sound_plan_of(subject)
    rows = PersonRows(plan=plan, project=job.project, reference=job.reference_id)
    elsewhere = rows.of_other_projects()
    if elsewhere:
        raise JobFailed(f"Rows of {elsewhere} that belong to another project refer to this one's; nothing was erased.")
    with job.chunk() as chunk:
        chunk.notes.update(_notes(plan))
        chunk.marks["plan"] = plan.digest
    for store in plan.stores:
        _run_store(store, rows, job)
    with job.chunk() as chunk:
        chunk.roots = plan.root_stores


def _notes(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what the receipt says of each store beside its counts; JSON of the database keeps no order."""
    return {
        store.name: {
            "place": place,
            "what": store.what.value,
            **({"because": store.because} if store.because else {}),
        }
        for place, store in enumerate(plan.stores)
    }


def _run_store(store: Store, rows: PersonRows, job: "JobContext[Any]") -> None:
    # No manager has a part in these rows, so none hides any.
    if store.what is What.ERASED:
        job.erase(store.name, rows.of_store(store), keep_hidden=True)
    elif store.what is What.KEPT:
        kept = rows.of_store(store).count()
        with job.chunk() as chunk:
            chunk.notes[store.name] = {"found": kept}
    elif store.call is not None:
        store.call.function(job)
        with job.chunk() as chunk:
            chunk.add(store.name, 1)
    else:
        job.update(store.name, rows.of_store(store), keep_hidden=True, **store.values)
