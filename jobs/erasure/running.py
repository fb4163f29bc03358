"""The run of a map: each store in its order, by the job's own ways, with a receipt that says what was done."""

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from ..db.connection import jobs_connection, set_local, supports_row_locks
from ..exceptions import ActionMisused, JobFailed
from ..execution.chunks import entry_of
from ..execution.erasing import change_some, delete_some, erasable, to_change
from ..execution.own_project import check_keeps_job
from .declaration import Declaration, What
from .own_rows import erase_branches
from .plan import Plan, Store
from .planning import sound_plan_of
from .rows import PersonRows

if TYPE_CHECKING:
    from ..execution.context import JobContext


def run(subject: Declaration, job: "JobContext[Any]") -> None:
    """Erase the person ``job.reference_id`` in ``job.project`` by the map.

    Raises:
        ActionMisused: the map has errors that ``manage.py check`` reports.
        JobFailed: rows of another project would go, too; none was erased in this run of the map.
    """
    plan = sound_plan_of(subject)
    rows = PersonRows(plan=plan, project=job.project, reference=job.reference_id)
    for label, elsewhere in rows.of_other_projects():
        if elsewhere.exists():
            told = "Rows that belong to another project refer to rows of this one; no row is erased while they do."
            raise JobFailed(told) from ActionMisused(f"they are rows of {label}")  # which staff alone read
    with job.chunk() as chunk:
        chunk.edits.append(partial(_tell_plan, plan=plan))
    for store in plan.stores:
        _run_store(store, rows, job)
    with job.chunk() as chunk:
        chunk.edits.append(partial(_tell_whether_found, stores=plan.root_stores))


def _run_store(store: Store, rows: PersonRows, job: "JobContext[Any]") -> None:
    if store.call is not None:
        store.call.function(job)
        with job.chunk() as chunk:
            chunk.add(store.name, 1)
    elif store.what is What.KEPT:
        found = rows.of_store(store).count()
        with job.chunk() as chunk:
            chunk.edits.append(partial(_tell_kept, store=store.name, found=found))
    elif store.what is What.ERASED:
        _erase(store, rows, job)
    else:
        _update(store, rows, job)


def _erase(store: Store, rows: PersonRows, job: "JobContext[Any]") -> None:
    # No manager has a part in these rows, so none hides any.
    meant, ready = (erasable(store.name, each, keep_hidden=True) for each in _meant_and_ready(store, rows))
    links, keep_parents = rows.plan.own_links(store.model), rows.plan.is_child_part(store.model)
    check_keeps_job(job.id, meant)

    def act(found: QuerySet[Any], size: int) -> tuple[int, bool]:
        _expect_few_rows(rows.plan)
        if links:
            return erase_branches(found, size, ready=ready, links=links, keep_parents=keep_parents)
        return delete_some(ready, size, keep_parents=keep_parents)

    job.repeat(store.name, meant, act)


def _update(store: Store, rows: PersonRows, job: "JobContext[Any]") -> None:
    values = store.values
    meant, ready = (to_change(store.name, each, values, keep_hidden=True) for each in _meant_and_ready(store, rows))

    def act(_: QuerySet[Any], size: int) -> tuple[int, bool]:
        _expect_few_rows(rows.plan)
        return change_some(ready, size, values=values)

    job.repeat(store.name, meant, act)


def _expect_few_rows(plan: Plan) -> None:
    """Keep PostgreSQL from compiling statements in this chunk: it takes a recursion for millions of rows."""
    connection = jobs_connection()
    if supports_row_locks(connection) and any(map(plan.own_links, plan.nodes)):
        set_local(connection, {"jit": "off"})


def _meant_and_ready(store: Store, rows: PersonRows) -> tuple[QuerySet[Any], QuerySet[Any]]:
    return rows.of_store(store), rows.ready_for(store)


# ------------------------------------------------------------ what is written into the receipt, under the job's lock


def _tell_plan(receipt: dict[str, Any], *, plan: Plan) -> None:
    """Say what is done to each store; JSON of the database keeps no order, so also its place."""
    for place, store in enumerate(plan.stores):
        because = {"because": store.because} if store.because else {}
        entry_of(receipt, store.name).update({"place": place, "what": store.what.value, **because})
    receipt["plan"] = plan.digest
    if "created_under" in receipt:
        receipt["plan_changed"] = receipt["created_under"] != plan.digest


def _tell_kept(receipt: dict[str, Any], *, store: str, found: int) -> None:
    entry = entry_of(receipt, store)
    # A further attempt does not find rows again whose key it has set to NULL.
    entry["found"] = max(found, entry["found"] or 0)


def _tell_whether_found(receipt: dict[str, Any], *, stores: list[str]) -> None:
    receipt["found_nothing"] = not any(entry_of(receipt, store)["found"] for store in stores)
