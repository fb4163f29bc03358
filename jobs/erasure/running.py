"""The run of a map: each store in its order, by the job's own ways, with a receipt that says what was done."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q, QuerySet

from ..db.connection import jobs_connection, set_local, supports_row_locks
from ..exceptions import ActionMisused, JobFailed
from ..execution.chunks import BIGGEST_BATCH, entry_of
from ..execution.erasing import FoundKeys, change_some, delete_some, erasable, lock_some, to_change
from ..execution.own_project import check_keeps_job
from .climbing import again
from .declaration import Declaration, What
from .files import check_none_left, note_files, remove_files
from .other_projects import of_other_projects, of_other_projects_with
from .own_rows import LEAST_ROWS, MOST_ROWS, lock_branches, table_of
from .plan import Plan, Store
from .planning import sound_plan_of
from .rows import PersonRows, changed_by

# So many are searched for at once: they are in memory, some 60 bytes each.
MOST_KEYS: Final = 200_000

if TYPE_CHECKING:
    from ..execution.context import Act, JobContext


def run(subject: Declaration, job: "JobContext[Any]") -> None:
    """Erase the person ``job.reference_id`` in ``job.project`` by the map.

    Raises:
        ActionMisused: the map has errors that ``manage.py check`` reports.
        JobFailed: rows of another project would go, too; none was erased in this run of the map.
        FilesLeft: a storage did not remove files of the rows, which are all done.
    """
    plan = sound_plan_of(subject)
    rows = PersonRows(plan=plan, project=job.project, reference=job.reference_id)
    _refuse_other_projects(of_other_projects(rows))
    had = any(found.exists() for found in rows.with_reference())
    with job.chunk() as chunk:
        chunk.edits.append(partial(_tell_plan, plan=plan))
    for store in plan.stores:
        _run_store(store, rows, job)
    with job.chunk() as chunk:
        chunk.edits.append(partial(_tell_whether_found, stores=plan.root_stores, had=had))
    check_none_left(job.id)


def _run_store(store: Store, rows: PersonRows, job: "JobContext[Any]") -> None:
    if store.call is not None:
        store.call.function(job)
        with job.chunk() as chunk:
            chunk.add(store.name, 1)
    elif store.what is What.KEPT:
        found = rows.of_store(store).count()
        with job.chunk() as chunk:
            chunk.edits.append(partial(_tell_kept, store=store.name, found=found))
    elif store.what is What.REMOVED:
        remove_files(store, job)
    elif store.what is What.ERASED:
        _erase(store, rows, job)
    else:
        _update(store, rows, job)


def _erase(store: Store, rows: PersonRows, job: "JobContext[Any]") -> None:
    # No manager has a part in these rows, so none hides any.
    meant = erasable(store.name, rows.of_store(store), keep_hidden=True)
    check_keeps_job(job.id, meant)
    _repeat(store, rows, job, meant, partial(delete_some, keep_parents=rows.plan.is_child_part(store.model)))


def _update(store: Store, rows: PersonRows, job: "JobContext[Any]") -> None:
    meant = to_change(store.name, rows.of_store(store), store.values, keep_hidden=True)

    def change(some: QuerySet[Any], size: int) -> tuple[int, bool]:
        return change_some(changed_by(store, some), size, values=store.values)

    _repeat(store, rows, job, meant, change)


def _repeat(store: Store, rows: PersonRows, job: "JobContext[Any]", meant: QuerySet[Any], act: "Act") -> None:
    """Do ``act`` to the rows of a store: those that are found, locked, and then found once more by other statements.

    A statement that waits for a lock sees other tables, and its own subqueries, as they were before: it would take a
    row that has been given to another person meanwhile.
    """
    if rows.plan.stands_alone(store):
        job._repeat(store.name, meant, act)
        return
    links = rows.plan.own_links(store.model) if store.what is What.ERASED else []
    found = FoundKeys(meant)

    def act_on_locked(whole: QuerySet[Any], size: int) -> tuple[int, bool]:
        _expect_few_rows(rows.plan)
        size = min(size, BIGGEST_BATCH) if store.files else size  # no file is noted whose row goes later
        size = min(max(size, LEAST_ROWS), MOST_ROWS) if links else size
        first = found.first(size)
        locked = lock_branches(first, links) if links else lock_some(first, size)
        some = table_of(whole.model).filter(Q(pk__in=[]) if locked is None else locked)
        are_meant = again(rows, store, some)
        # Of branches, a row that is another person's keeps all others, too.
        some = are_meant if not links or are_meant.count() == some.count() else table_of(whole.model).none()
        # From here on no row can come to refer to them, so these searches hold until the commit.
        _refuse_other_projects(of_other_projects_with(rows, store, some))
        if any(undone.exists() for undone in rows.undone_below(store, some)):
            return 0, True  # they are found again when the job is verified, and the map is run once more
        note_files(job.id, store.files, some)
        done, _ = act(some, max(size, MOST_ROWS) if links else size)
        # What was found is of no use any more if others have taken it.
        found.drop(size if done else MOST_KEYS)
        return done, False

    job._repeat(store.name, meant, act_on_locked, find=partial(found.find, MOST_KEYS))


def _refuse_other_projects(found: Iterable[tuple[str, QuerySet[Any]]]) -> None:
    for label, elsewhere in found:
        if elsewhere.exists():
            told = (
                "Rows that must stay, or of another project, refer to rows of this one; none is erased while they do."
            )
            raise JobFailed(told) from ActionMisused(f"they are rows of {label}")  # which staff alone read


def _expect_few_rows(plan: Plan) -> None:
    """Keep PostgreSQL from compiling statements in this chunk: it takes a recursion for millions of rows."""
    connection = jobs_connection()
    if supports_row_locks(connection) and any(map(plan.own_links, plan.nodes)):
        set_local(connection, {"jit": "off"})


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


def _tell_whether_found(receipt: dict[str, Any], *, stores: list[str], had: bool) -> None:
    """``had``: rows had the reference at the start, also such as an earlier job has anonymised."""
    receipt["found_nothing"] = not had and not any(entry_of(receipt, store)["found"] for store in stores)
