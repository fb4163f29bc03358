"""``JobContext``: what an action knows of its job, and how it writes, erases and verifies."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from django.db import Error, connections, router
from django.db.models import QuerySet

from .. import conf
from ..db import failpoints
from ..db.backoff import backoff
from ..db.connection import chunk_turn, jobs_connection, limited_transaction
from ..db.errors import ErrorKind, kind_of
from ..exceptions import (
    ActionMisused,
    ForeignDatabase,
    JobCancelled,
    JobReleased,
    JobStopped,
    LeaseLost,
    RowsLeft,
    WriteOutsideChunk,
)
from ..lifecycle import transitions
from ..models import Job
from ..status import Status
from .chunks import BatchSize, Chunk, add_counts, entry_of, find_remaining
from .leases import Lease

WRITES: Final = frozenset(
    {"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "TRUNCATE", "CREATE", "ALTER", "DROP", "COPY"}
)
# The first word of a statement, after blanks, brackets and comments.
VERB: Final = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w+)", re.DOTALL)
CONFLICTS_IN_A_ROW: Final = 8
FRUITLESS_IN_A_ROW: Final = 20


class JobContext:
    """The running job, as its action sees it. Only the thread of the action may use it.

    Once the job is no longer this worker's, every call raises the same one of
    :class:`JobCancelled`, :class:`JobReleased` and :class:`LeaseLost`.
    """

    def __init__(self, job: Job, *, lease: Lease, databases: frozenset[str] = frozenset()) -> None:
        self._job = job
        self._databases = databases
        self._lease = lease
        self._stopped: JobStopped | None = None
        self._verifications: dict[str, QuerySet[Any]] = {}
        self._may_write = False
        self._batch = BatchSize()

    @property
    def id(self) -> int:
        """The job's id, as integrators see it."""
        return self._job.pk

    @property
    def project(self) -> Any:
        """The host's project object."""
        return self._job.project

    @property
    def reference_id(self) -> str:
        """What the job is about, exactly as sent by its creator."""
        return self._job.reference_id

    @property
    def parameters(self) -> dict[str, Any]:
        """The creator's parameters, as the action's serializer returned them; empty if there were none."""
        return self._job.parameters or {}

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._job.attempt

    @property
    def batch_size(self) -> int:
        """How many rows the next chunk should take to stay short; adapts to the chunks before."""
        return self._batch.rows

    @contextmanager
    def chunk(self) -> Iterator[Chunk]:
        """Open one short transaction in which the action may write.

        The first statement locks the job and proves the fence, so nothing commits after a
        cancel; the last one stores progress and receipt. On PostgreSQL a statement may
        take 30 s, a lock wait 2 s, an idle pause 10 s.

        Raises:
            JobCancelled, JobReleased, LeaseLost: the chunk was rolled back.
            ActionMisused: another chunk is open.
        """
        self._check_not_stopped()
        if self._may_write:
            raise ActionMisused("a chunk is open already; chunks do not nest")
        if self._lease.stopping.is_set():
            raise self._stop(JobReleased(self.id))
        chunk = Chunk()
        with chunk_turn():
            begun = time.monotonic()
            with limited_transaction():
                if not self._unguarded(transitions.prove_fence, self._lease.fence, lease=conf.current().lease):
                    raise self._stop(None)
                self._may_write = True
                try:
                    yield chunk
                    failpoints.reach("chunk.inside")
                    self._record(chunk)
                finally:
                    self._may_write = False
            self._batch.learn(time.monotonic() - begun, sum(chunk.counts.values()))
        self._lease.note_progress()
        failpoints.reach("chunk.committed")

    def expect(self, remaining: int) -> None:
        """Set how many units are left to do; progress shows done and total."""
        with self.chunk() as chunk:
            chunk.remaining = remaining

    def erase(self, store: str, rows: QuerySet[Any]) -> None:
        """Delete ``rows`` in chunks until none is found, count them as ``store``, and :meth:`verify` them.

        Cascades follow Django's rules; the receipt counts the rows of this model only.
        Each chunk finds, locks and deletes its rows in one transaction, so a row that
        another transaction has changed to match no more is not deleted.

        Raises:
            ActionMisused: a sliced, distinct, combined or ``values()`` queryset, which cannot be deleted.
            ForeignDatabase: the rows are in another database than the jobs.
            RowsLeft: rows match, but deleting them deletes nothing.
        """
        rows = self._erasable(store, rows)
        self._batch = BatchSize()  # the size for one table may be far too big for the next
        found = rows.count()
        with self.chunk() as chunk:
            chunk.found[store] = chunk.remaining = found
        fruitless = 0
        while (deleted := self._erase_some(store, rows)) is not None:
            fruitless = 0 if deleted else fruitless + 1
            if fruitless == FRUITLESS_IN_A_ROW:
                raise RowsLeft((store,))
        failpoints.reach("erase.last_chunk")
        self.verify(store, rows)

    def verify(self, store: str, rows: QuerySet[Any]) -> None:
        """Let the job complete only if none of ``rows`` exists in the transaction that completes it.

        If rows were added meanwhile, the action runs again, five times in all.
        """
        self._check_not_stopped()
        self._verifications[store] = rows.using(_alias_of(rows))

    # ------------------------------------------------------------ for the runner

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Refuse writes outside chunks on this thread's connections while the action runs.

        It guards against accidents and is no sandbox: it misses writes in raw CTEs and in other threads.
        """
        with ExitStack() as stack:
            for alias in connections:
                stack.enter_context(connections[alias].execute_wrapper(self._refuse_stray_writes))
            yield

    def verify_and_record(self) -> bool:
        """Verify in the transaction that completes the job, and write the result into the receipt.

        False: the lease is lost, or the job has ended.

        Raises:
            RowsLeft: a row was found.
        """
        if not transitions.prove_fence(self._lease.fence, lease=conf.current().lease):
            return False
        verified_at, left = find_remaining(self._verifications)
        if left:
            raise RowsLeft(left)
        receipt, done, total = self._row()
        for store in self._verifications:
            entry_of(receipt, store)["left"] = 0
        receipt["verified_at"] = verified_at.isoformat(timespec="milliseconds")
        return transitions.record(
            self._lease.fence, receipt=receipt, done=done, total=total, lease=conf.current().lease
        )

    @property
    def has_verifications(self) -> bool:
        """Whether rows are to be verified."""
        return bool(self._verifications)

    @property
    def stopped(self) -> JobStopped | None:
        """Why the action was stopped, also if it swallowed the exception."""
        return self._stopped

    # ------------------------------------------------------------ inside

    def _erase_some(self, store: str, rows: QuerySet[Any]) -> int | None:
        """Delete one batch and return how many rows; None: no row is left. After a conflict, try half the batch."""
        for failures in range(CONFLICTS_IN_A_ROW):
            size = self.batch_size
            try:
                with self.chunk() as chunk:
                    keys = _locked_keys(rows, size)
                    deleted = _delete(rows, keys) if keys else 0
                    chunk.add(store, deleted)
            except Error as error:
                if kind_of(error) not in (ErrorKind.CONFLICT, ErrorKind.TOO_SLOW) or failures == CONFLICTS_IN_A_ROW - 1:
                    raise
                self._batch.halve(size)
                time.sleep(backoff(failures, first=0.05))
            else:
                return deleted if keys else None
        raise AssertionError("unreachable")

    def _erasable(self, store: str, rows: QuerySet[Any]) -> QuerySet[Any]:
        query = rows.query
        if query.is_sliced or query.distinct or query.combinator or query.values_select or query.annotation_select:
            raise ActionMisused(f"erase({store!r}, …) takes a plain queryset: no slice, distinct, union or values()")
        alias = _alias_of(rows)
        if alias != jobs_connection().alias:
            raise ForeignDatabase(store, alias=alias, home=jobs_connection().alias)
        return rows.using(alias)

    def _record(self, chunk: Chunk) -> None:
        """Add the chunk's counts to the locked row; memory has no copy that could be out of date."""
        receipt, done, total = self._row()
        add_counts(receipt, chunk)
        done += sum(chunk.counts.values())
        if chunk.remaining is not None:
            total = done + chunk.remaining
        elif total is not None:
            total = max(total, done)
        lease = conf.current().lease
        self._unguarded(transitions.record, self._lease.fence, receipt=receipt, done=done, total=total, lease=lease)

    def _row(self) -> tuple[dict[str, Any], int, int | None]:
        receipt, done, total = Job.objects.values_list("receipt", "progress_done", "progress_total").get(pk=self.id)
        return receipt, done, total

    def _unguarded(self, transition: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a transition, whose writes the guard must not refuse."""
        before, self._may_write = self._may_write, True
        try:
            return transition(*args, **kwargs)
        finally:
            self._may_write = before

    def _refuse_stray_writes(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        alias = context["connection"].alias
        verb = VERB.match(sql if isinstance(sql, str) else str(sql))
        allowed = alias in self._databases or (self._may_write and alias == jobs_connection().alias)
        if verb is not None and verb[1].upper() in WRITES and not allowed:
            raise WriteOutsideChunk(verb[1].upper(), alias=alias)
        return execute(sql, params, many, context)

    def _check_not_stopped(self) -> None:
        if self._stopped is not None:
            raise self._stopped
        if self._lease.given_up.is_set():
            raise self._stop(LeaseLost(self.id))

    def _stop(self, why: JobStopped | None) -> JobStopped:
        """Store and return what stops the action; None: the lease is lost, and the row says why."""
        if why is None:
            status = Job.objects.filter(pk=self.id).values_list("status", flat=True).first()
            why = JobCancelled(self.id) if status == Status.CANCELLED else LeaseLost(self.id)
        self._stopped = why
        return why


def _locked_keys(rows: QuerySet[Any], size: int) -> list[Any]:
    """Return the keys of up to ``size`` rows, locked where rows have locks, so that they still match when deleted.

    Without ORDER BY, because sorting would read all matching rows for every chunk. Keys are not collected
    in advance: each chunk would have to match them again, which is quadratic without table statistics.
    """
    return [row.pk for row in rows.order_by().select_related(None).only("pk").select_for_update(of=("self",))[:size]]


def _delete(rows: QuerySet[Any], keys: list[Any]) -> int:
    """Delete by key; return the count of this model's rows, without cascades."""
    _, per_model = rows.model._base_manager.using(_alias_of(rows)).filter(pk__in=keys).delete()
    return int(per_model.get(rows.model._meta.label, 0))


def _alias_of(rows: QuerySet[Any]) -> str:
    """Return the database that ``rows`` are written to; a lagging replica would show deleted rows."""
    return rows._db or router.db_for_write(rows.model)  # type: ignore[attr-defined]  # what using() was given
