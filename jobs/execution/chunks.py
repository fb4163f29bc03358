"""Chunks of an action: their counts, the receipt, and how many rows the next chunk should take."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from .. import conf
from ..db import clock
from ..db.connection import jobs_connection, supports_row_locks
from ..db.statements import Parameter, Statement
from ..exceptions import ActionMisused, JobFailed
from ..lifecycle import transitions
from ..lifecycle.statements import Fence
from ..models import Job
from .own_project import DELETES_ITSELF

logger = logging.getLogger(__name__)

COUNTS: Final[Statement[Any]] = Statement(
    lambda: Job.objects.values_list("receipt", "progress_done", "progress_total").filter(pk=Parameter(Job, "id"))
)
# The target duration of a chunk: a cancel may wait for it.
AIM_SECONDS: Final = 0.1
AIM_SECONDS_ONE_WRITER: Final = 0.03
FIRST_BATCH: Final = 200
SMALLEST_BATCH: Final = 10
BIGGEST_BATCH: Final = 10_000
# Where no key and no row comes into memory.
BIGGEST_SET: Final = 100_000
# Where a chunk takes long whatever its size, it may take this many times as long as it should, and no longer for rows.
STRETCH: Final = 3
# A longer chunk is not doubled on trial: a cancel waits for 5 s, and a statement may take 30 s.
LONGEST_TRIED_SECONDS: Final = 2.0


class Chunk:
    """One short transaction of an action; its counts are stored with its effects, or not at all."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.found: dict[str, int] = {}
        self.remaining: int | None = None
        # By an erase map: what else changes the receipt.
        self.edits: list[Callable[[dict[str, Any]], None]] = []

    def add(self, store: str, count: int) -> None:
        """Count ``count`` rows (or other units) of ``store`` as done, in progress and receipt.

        Raises:
            ActionMisused: ``count`` is not a whole number from 0.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ActionMisused(f"chunk.add({store!r}, …) takes a whole number from 0, not {count!r}")
        self.counts[store] = self.counts.get(store, 0) + count


class BatchSize:
    """How many rows a chunk takes; adapts so that chunks, and with them the wait of a cancel, stay short.

    Part of a chunk's time is for its rows. The rest it takes whatever its size: much on a busy machine, or where it
    reads past many deleted rows. Two chunks of different sizes tell which is which. Fewer rows shorten only the
    former, so the rows may always take as long as the rest: it would be lost by smaller chunks, not saved.
    """

    def __init__(self, *, most: int = BIGGEST_BATCH) -> None:
        self.rows = FIRST_BATCH
        self._most = most
        self._rest = 0.0
        self._before: tuple[int, float] | None = None

    def learn(self, seconds: float, count: int) -> None:
        """Adapt to a chunk that took ``seconds`` for ``count`` rows, from proving its fence to its commit."""
        if not count:
            return
        aim = AIM_SECONDS if supports_row_locks(jobs_connection()) else AIM_SECONDS_ONE_WRITER
        rest = self._learn_rest(seconds, count)
        for_rows = max(aim - rest, min(rest, STRETCH * aim - rest), aim / 4)
        rows = int(for_rows * count / max(seconds - rest, 1e-6))
        if rows > self.rows and count >= self.rows // 2:
            most = 4 * self.rows if seconds < aim / 2 else self.rows * 5 // 4 + 1
            self.rows = min(rows, most, self._most)
        elif seconds > aim and self.rows > SMALLEST_BATCH:
            self.rows = max(min(rows, self.rows), self.rows // 2, SMALLEST_BATCH)
        elif aim < seconds < LONGEST_TRIED_SECONDS:  # only another size tells whether it is the rows that take so long
            self.rows *= 2

    def _learn_rest(self, seconds: float, count: int) -> float:
        """Return how much of ``seconds`` is not for rows."""
        before, seconds_before = self._before = self._before or (count, seconds)
        if not 0.8 < count / before < 1.25:
            of_a_row = max(0.0, (seconds - seconds_before) / (count - before))
            # One measure may be far off, so it counts half.
            self._rest = (self._rest + max(0.0, seconds - of_a_row * count)) / 2
            self._before = (count, seconds)
        self._rest = min(self._rest, 0.99 * seconds)
        return self._rest

    def shrink(self, tried: int, *, by: int) -> None:
        """Take a part of ``tried`` rows, after a conflict or a timeout with these."""
        self.rows = max(1, tried // by)


def take_commit_hooks(connection: BaseDatabaseWrapper) -> list[Callable[[], object]]:
    """Take the functions that Django would run after the commit of this transaction, to run them by our rules.

    Called as the last thing before the commit. In the transaction of a ``TestCase`` nothing
    commits, and the functions stay where the test finds them.
    """
    if len(connection.atomic_blocks) > 1:
        return []
    hooks, connection.run_on_commit = connection.run_on_commit, []
    return [hook[1] for hook in hooks]


def run_commit_hooks(hooks: list[Callable[[], object]], *, job_id: int) -> None:
    """Run all of ``hooks``, also when one raises: the chunk is committed, and no error undoes it."""
    for hook in hooks:
        try:
            hook()
        except Exception as error:  # noqa: BLE001 – the host's code may raise anything; it is logged
            # Only the type is logged: the text may have personal data.
            name = getattr(hook, "__qualname__", type(hook).__qualname__)
            logger.error("job=%s hook=%s raised %s after the commit", job_id, name, type(error).__qualname__)


def entry_of(receipt: dict[str, Any], store: str) -> dict[str, Any]:
    """Return the entry of ``store``: how many rows were found, done and are left; None: not counted."""
    stores: dict[str, dict[str, Any]] = receipt.setdefault("stores", {})
    return stores.setdefault(store, {"found": None, "done": 0, "left": None})


def stores_of(receipt: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the entries of a receipt with their stores: in the order of the erase map, if there is one."""
    stores: dict[str, dict[str, Any]] = receipt.get("stores", {})
    return sorted(stores.items(), key=lambda item: item[1].get("place", len(stores)))


def read_counts(job_id: int) -> tuple[dict[str, Any], int, int | None]:
    """Return receipt and progress of the row that this transaction has locked.

    Raises:
        JobFailed: the row is gone, so the action itself has deleted it.
    """
    row: tuple[dict[str, Any], int, int | None] | None = COUNTS.first(id=job_id)
    if row is None:
        raise JobFailed(DELETES_ITSELF)
    return row


def store_counts(fence: Fence, chunk: Chunk) -> bool:
    """Add the chunk's counts to the locked row, as memory has none; False: it is not locked any more."""
    receipt, done, total = read_counts(fence.job_id)
    add_counts(receipt, chunk)
    done += sum(chunk.counts.values())
    if chunk.remaining is not None:
        total = done + chunk.remaining
    elif total is not None:
        total = max(total, done)
    # A chunk that only says how much there is to do, as ``expect`` and the beginning of an erase, did no work.
    did_work = bool(chunk.counts) or (chunk.remaining is None and not chunk.edits)
    facts: dict[str, Any] = {"receipt": receipt, "done": done, "total": total, "did_work": did_work}
    return transitions.record(fence, **facts, lease=conf.current().lease)


def add_counts(receipt: dict[str, Any], chunk: Chunk) -> None:
    """Add what ``chunk`` found and did to the receipt, which was read under the job's lock."""
    for store, count in chunk.counts.items():
        entry = entry_of(receipt, store)
        entry["done"] = (entry["done"] or 0) + count
        if entry["left"] is not None:
            entry["left"] = max(0, entry["left"] - count)
    for store, found in chunk.found.items():
        entry = entry_of(receipt, store)
        entry.update(found=(entry["done"] or 0) + found, left=found)
    for edit in chunk.edits:
        edit(receipt)


def find_remaining(stores: Mapping[str, QuerySet[Any]]) -> tuple[datetime, tuple[str, ...]]:
    """Return an instant, and the stores that had a row at that instant.

    One statement, and so one snapshot (READ COMMITTED); stores in other databases are read just before.
    """
    connection = jobs_connection()
    elsewhere = tuple(name for name, rows in stores.items() if rows.db != connection.alias and rows.exists())
    here = {name: rows for name, rows in stores.items() if rows.db == connection.alias}
    now, params = clock.compiled(clock.compared(clock.NOW, connection), connection)
    parts = [now]
    for rows in here.values():
        try:
            sql, more = rows.order_by().query.exists().sql_with_params()
        except EmptyResultSet:  # no row can match
            sql, more = "SELECT 1 WHERE 1 = 0", ()
        parts.append(f"EXISTS({sql})")
        params += tuple(more)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", params)
        at, *found = cursor.fetchone()
    return clock.as_datetime(at), elsewhere + tuple(name for name, there in zip(here, found, strict=True) if there)
