"""``JobContext``: all that an action sees and may call."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from django.db import Error, connections, router
from django.db.models import QuerySet

from .. import conf, failpoints
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
# The first word of a statement, behind blanks, brackets and comments.
VERB: Final = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w+)", re.DOTALL)
CONFLICTS_IN_A_ROW: Final = 8
FRUITLESS_IN_A_ROW: Final = 20


class JobContext:
    """The running job, as its action sees it; used by one thread, and by no other.

    Every call raises :class:`JobCancelled`, :class:`JobReleased` or :class:`LeaseLost`
    when the job is no longer this worker's, and raises it again ever after.
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
        """What the job is about, exactly as its creator sent it."""
        return self._job.reference_id

    @property
    def parameters(self) -> dict[str, Any]:
        """What the creator sent, as the action's serializer returned it; empty if nothing."""
        return self._job.parameters or {}

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._job.attempt

    @property
    def batch_size(self) -> int:
        """How many rows the next chunk should take, so that chunks stay short; adapts to those before."""
        return self._batch.rows

    @contextmanager
    def chunk(self) -> Iterator[Chunk]:
        """Open one short transaction in which the action may write.

        Its first statement locks the job and proves that it is still ours, so nothing
        commits after a cancel; its last stores progress and receipt. On PostgreSQL a
        statement may take 30 s, a lock wait 2 s, an idle pause 10 s.

        Raises:
            JobCancelled, JobReleased, LeaseLost: nothing of this chunk was kept.
            ActionMisused: chunks do not nest.
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
                if not self._engine(transitions.prove_fence, self._lease.fence, lease=conf.current().lease):
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
        """Say how many units are still to do from now on; progress shows them beside what is done."""
        with self.chunk() as chunk:
            chunk.remaining = remaining

    def erase(self, store: str, rows: QuerySet[Any]) -> None:
        """Delete ``rows`` in chunks until none is found, count them as ``store``, and verify at the end.

        Cascades follow Django's rules; the receipt counts the rows of this model only.
        Each chunk finds, locks and deletes its rows in one transaction, so a row that
        another transaction gives to somebody else is left alone.

        Raises:
            ActionMisused: a sliced, distinct, combined or ``values()`` queryset, which cannot be deleted.
            ForeignDatabase: the rows live in another database than the jobs.
            RowsLeft: rows match, but deleting them deletes nothing.
        """
        rows = self._erasable(store, rows)
        self._batch = BatchSize()  # what suited one table may be far too much for the next
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
        """Refuse to complete while any of ``rows`` is there: they are looked for in the transaction that completes.

        Rows that others add meanwhile make the action run again, five times at most.
        """
        self._check_not_stopped()
        self._verifications[store] = rows.using(_alias_of(rows))

    # ------------------------------------------------------------ for the runner

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Refuse writes outside chunks on this thread's connections while the action runs.

        An accident's guard, not a sandbox: raw CTE writes and other threads escape it.
        """
        with ExitStack() as stack:
            for alias in connections:
                stack.enter_context(connections[alias].execute_wrapper(self._refuse_stray_writes))
            yield

    def finish_verified(self) -> bool:
        """Take the last look, in the transaction that completes the job, and write its result into the receipt.

        False: the job is no longer ours, or has ended already.

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
        """Whether a last look was asked for."""
        return bool(self._verifications)

    @property
    def stopped(self) -> JobStopped | None:
        """What unwound the action, even if the action swallowed it."""
        return self._stopped

    # ------------------------------------------------------------ inside

    def _erase_some(self, store: str, rows: QuerySet[Any]) -> int | None:
        """Delete one batch and return how many; None: there is no row. A conflict halves the batch and tries again."""
        for attempt in range(CONFLICTS_IN_A_ROW):
            size = self.batch_size
            try:
                with self.chunk() as chunk:
                    keys = _locked_keys(rows, size)
                    deleted = _delete(rows, keys) if keys else 0
                    chunk.add(store, deleted)
            except Error as error:
                if kind_of(error) not in (ErrorKind.CONFLICT, ErrorKind.TOO_SLOW) or attempt == CONFLICTS_IN_A_ROW - 1:
                    raise
                self._batch.halve(size)
                time.sleep(backoff(attempt, first=0.05))
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
        """Add the chunk's counts to the row, which is locked: nothing of it is kept in memory."""
        receipt, done, total = self._row()
        add_counts(receipt, chunk)
        done += sum(chunk.counts.values())
        if chunk.remaining is not None:
            total = done + chunk.remaining
        elif total is not None:
            total = max(total, done)
        lease = conf.current().lease
        self._engine(transitions.record, self._lease.fence, receipt=receipt, done=done, total=total, lease=lease)

    def _row(self) -> tuple[dict[str, Any], int, int | None]:
        receipt, done, total = Job.objects.values_list("receipt", "progress_done", "progress_total").get(pk=self.id)
        return receipt, done, total

    def _engine(self, transition: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make one of the engine's own writes, which the guard lets pass."""
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
        if self._lease.lost.is_set():
            raise self._stop(LeaseLost(self.id))

    def _stop(self, why: JobStopped | None) -> JobStopped:
        """Remember and return what ends the action; None: read the row to learn why it is not ours."""
        if why is None:
            status = Job.objects.filter(pk=self.id).values_list("status", flat=True).first()
            why = JobCancelled(self.id) if status == Status.CANCELLED else LeaseLost(self.id)
        self._stopped = why
        return why


def _locked_keys(rows: QuerySet[Any], size: int) -> list[Any]:
    """Return the keys of up to ``size`` rows, locked where rows have locks, so that they still match when deleted.

    In no order: sorting would read all matching rows for every chunk, and to match keys
    found earlier against the condition once more is quadratic where the planner has no statistics.
    """
    return [row.pk for row in rows.order_by().select_related(None).only("pk").select_for_update(of=("self",))[:size]]


def _delete(rows: QuerySet[Any], keys: list[Any]) -> int:
    """Delete by key; count rows of this model, never the cascade's total."""
    _, per_model = rows.model._base_manager.using(_alias_of(rows)).filter(pk__in=keys).delete()
    return int(per_model.get(rows.model._meta.label, 0))


def _alias_of(rows: QuerySet[Any]) -> str:
    """Return the database that ``rows`` are written to; a replica that lags would show rows long gone."""
    return rows._db or router.db_for_write(rows.model)  # type: ignore[attr-defined]  # what using() was given
