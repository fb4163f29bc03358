"""``JobContext``: what an action knows of its job, and how it writes, erases and verifies."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db import Error
from django.db.models import QuerySet

from .. import conf
from ..db import failpoints
from ..db.backoff import backoff
from ..db.connection import chunk_turn, jobs_connection, limited_transaction
from ..db.errors import ErrorKind, kind_of
from ..db.timeouts import limited_statements
from ..exceptions import (
    ActionMisused,
    JobCancelled,
    JobReleased,
    JobStopped,
    LeaseLost,
    RowsLeft,
)
from ..lifecycle import transitions
from ..models import Job
from ..status import Status
from .chunks import (
    BIGGEST_SET,
    BatchSize,
    Chunk,
    entry_of,
    find_remaining,
    read_counts,
    run_commit_hooks,
    store_counts,
    take_commit_hooks,
)
from .erasing import change_some, delete_some, erasable, in_table, to_change
from .leases import Lease
from .own_project import check_keeps_job
from .write_guard import WriteGuard

if TYPE_CHECKING:
    # Type checkers know this module without its being installed; Python's own has ``default`` from 3.13 on.
    from typing_extensions import TypeVar

    ProjectT_co = TypeVar("ProjectT_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    ProjectT_co = TypeVar("ProjectT_co", covariant=True)

CONFLICTS_IN_A_ROW: Final = 8
FRUITLESS_IN_A_ROW: Final = 20
# Deletes or changes some rows; returns how many, and whether a search has found no further one.
Act = Callable[[QuerySet[Any], int], tuple[int, bool]]


class JobContext(Generic[ProjectT_co]):
    """The running job, as its action sees it. Only the thread of the action may use it.

    For type checkers, ``JobContext[Project]`` says what ``project`` is; ``JobContext`` alone leaves it open.

    Once the job is no longer this worker's, every call raises the same one of
    :class:`JobCancelled`, :class:`JobReleased` and :class:`LeaseLost`.
    """

    def __init__(
        self,
        job: Job,
        *,
        lease: Lease,
        databases: frozenset[str] = frozenset(),
        writes_outside: frozenset[str] = frozenset(),
    ) -> None:
        self._job = job
        self._lease = lease
        self._stopped: JobStopped | None = None
        self._verifications: dict[str, QuerySet[Any]] = {}
        self._guard = WriteGuard(databases=databases, tables=writes_outside)
        self._batch = BatchSize()

    @property
    def id(self) -> int:
        """The job's id, as integrators see it."""
        return self._job.pk

    @property
    def project(self) -> ProjectT_co:
        """The host's project object."""
        try:
            return cast("ProjectT_co", self._job.project)
        except ObjectDoesNotExist:
            if Job.objects.filter(pk=self.id).exists():
                raise
            raise self._stop(None) from None  # it was deleted, and the job with it

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
        if self._guard.is_chunk_open:
            raise ActionMisused("a chunk is open already; chunks do not nest")
        if self._lease.stopping.is_set():
            raise self._stop(JobReleased(self.id))
        chunk = Chunk()
        with chunk_turn():
            with limited_transaction() as connection:
                with self._guard.off():
                    if not transitions.prove_fence(self._lease.fence, lease=conf.current().lease):
                        raise self._stop(None)
                begun = time.monotonic()  # from here on others wait for this chunk, not it for them
                with self._guard.chunk_open():
                    yield chunk
                    failpoints.reach("chunk.inside")
                with self._guard.off():
                    if not store_counts(self._lease.fence, chunk):
                        # The transaction, and with it the lock of the row, has ended by a way that no guard sees.
                        raise self._stop(None)
                hooks = take_commit_hooks(connection)
            self._batch.learn(time.monotonic() - begun, sum(chunk.counts.values()))
        self._lease.note_progress()
        failpoints.reach("chunk.committed")
        with self._guard.off():  # a commit outside an action runs them with no guard, too
            run_commit_hooks(hooks, job_id=self.id)

    def expect(self, remaining: int) -> None:
        """Set how many units are left to do; progress shows done and total."""
        with self.chunk() as chunk:
            chunk.remaining = remaining

    def erase(self, store: str, rows: QuerySet[Any], *, keep_hidden: bool = False) -> None:
        """Delete ``rows`` in chunks until none is found, count them as ``store``, and :meth:`verify` them.

        Rows are deleted from their table, whatever ``delete()`` the model or its querysets have.
        Cascades follow Django's rules; the receipt counts the rows of this model only.
        With ``keep_hidden``, rows that the queryset's manager hides are meant to stay.
        Each chunk finds, locks and deletes its rows in one transaction, so a row that
        another transaction has changed to match no more is not deleted.

        Raises:
            ActionMisused: a sliced, distinct, combined or ``values()`` queryset, which cannot be deleted;
                or its manager adds conditions, and ``keep_hidden`` is not said.
            ForeignDatabase: the rows are in another database than the jobs.
            RowsLeft: rows match, but deleting them deletes nothing.
            JobFailed: a cascade would delete the job's own project.
        """
        rows = erasable(store, rows, keep_hidden=keep_hidden)
        check_keeps_job(self.id, rows)
        self._repeat(store, rows, delete_some)

    def update(self, store: str, rows: QuerySet[Any], /, *, keep_hidden: bool = False, **values: Any) -> None:
        """Set ``values`` in those of ``rows`` that have others, and :meth:`verify` them; in chunks, as :meth:`erase`.

        For rows that must stay, without the person. As with Django's ``update()``, no signals are sent.

        Raises:
            ActionMisused: as :meth:`erase`; or there is no value, or one is an expression or is not stored as it is.
        """
        rows = to_change(store, rows, values, keep_hidden=keep_hidden)
        self._repeat(store, rows, partial(change_some, values=values))

    def verify(self, store: str, rows: QuerySet[Any], *, keep_hidden: bool = False) -> None:
        """Let the job complete only if none of ``rows`` exists in the transaction that completes it.

        If rows were added meanwhile, the action runs again, five times in all.

        Raises:
            ActionMisused: the manager of ``rows`` adds conditions, and ``keep_hidden`` is not said.
        """
        self._check_not_stopped()
        self._verifications[store] = in_table(store, rows, keep_hidden=keep_hidden)

    # ------------------------------------------------------------ for the erase map

    def _repeat(self, store: str, rows: QuerySet[Any], act: Act, *, find: Callable[[], bool] | None = None) -> None:
        """Count ``rows``, delete or change them in chunks until a search finds none, and verify them.

        ``find`` searches before each chunk, while nobody waits, and says whether it needs any.
        """
        # The size for one table may be far too big for the next, and for what the action does itself.
        self._batch = BatchSize(most=BIGGEST_SET)
        found = rows.count()
        with self.chunk() as chunk:
            chunk.found[store] = chunk.remaining = found
        fruitless, none_left = 0, False
        while not none_left and (find is None or find()):
            done, none_left = self._act_once(store, rows, act)
            fruitless = 0 if done else fruitless + 1
            if fruitless == FRUITLESS_IN_A_ROW:
                raise RowsLeft((store,))
        self._batch = BatchSize()
        failpoints.reach("erase.last_chunk")
        self.verify(store, rows, keep_hidden=True)  # whether any may be hidden was decided above

    # ------------------------------------------------------------ for the runner

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Refuse writes outside chunks on this thread's connections while the action runs; reads may take long."""
        with limited_statements(None, jobs_connection()), self._guard.on():
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
        receipt, done, total = read_counts(self.id)
        for store in self._verifications:
            entry_of(receipt, store)["left"] = 0
        receipt["verified_at"] = verified_at.isoformat(timespec="milliseconds")
        return transitions.record(
            self._lease.fence, receipt=receipt, done=done, total=total, lease=conf.current().lease
        )

    @property
    def has_verifications(self) -> bool:
        return bool(self._verifications)

    @property
    def stopped(self) -> JobStopped | None:
        """Why the action was stopped, also if it swallowed the exception."""
        return self._stopped

    # ------------------------------------------------------------ inside

    def _act_once(self, store: str, rows: QuerySet[Any], act: Act) -> tuple[int, bool]:
        """Delete or change one batch; return what ``act`` does. Try half after a conflict, a tenth after a timeout."""
        for failures in range(CONFLICTS_IN_A_ROW):
            size = self.batch_size
            try:
                with self.chunk() as chunk:
                    done, none_left = act(rows, size)
                    chunk.add(store, done)
            except Error as error:
                kind = kind_of(error)
                if kind not in (ErrorKind.CONFLICT, ErrorKind.TOO_SLOW) or failures == CONFLICTS_IN_A_ROW - 1:
                    raise
                # A statement that runs into its timeout took hundreds of times as long as a chunk should.
                self._batch.shrink(size, by=2 if kind is ErrorKind.CONFLICT else 10)
                time.sleep(backoff(failures, first=0.05))
            else:
                return done, none_left
        raise AssertionError("unreachable")

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
