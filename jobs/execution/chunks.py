"""Chunks of an action: their counts, the receipt, and how many rows the next chunk should take."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet

from ..db import clock
from ..db.connection import jobs_connection, supports_row_locks
from ..exceptions import ActionMisused

# The target duration of a chunk: a cancel may wait for it.
AIM_SECONDS: Final = 0.1
AIM_SECONDS_ONE_WRITER: Final = 0.03
FIRST_BATCH: Final = 500
SMALLEST_BATCH: Final = 50
BIGGEST_BATCH: Final = 10_000
BIGGEST_BATCH_ONE_WRITER: Final = 2_000


class Chunk:
    """One short transaction of an action; its counts are stored with its effects, or not at all."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.found: dict[str, int] = {}
        self.remaining: int | None = None

    def add(self, store: str, count: int) -> None:
        """Count ``count`` rows (or other units) of ``store`` as done, in progress and receipt.

        Raises:
            ActionMisused: ``count`` is not a whole number from 0.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ActionMisused(f"chunk.add({store!r}, …) takes a whole number from 0, not {count!r}")
        self.counts[store] = self.counts.get(store, 0) + count


class BatchSize:
    """How many rows a chunk takes; adapts so that chunks, and with them the wait of a cancel, stay short."""

    def __init__(self) -> None:
        self.rows = FIRST_BATCH

    def learn(self, seconds: float, count: int) -> None:
        """Shrink after a long chunk, grow after a short one that was at least half full."""
        one_writer = not supports_row_locks(jobs_connection())
        aim, most = (AIM_SECONDS_ONE_WRITER, BIGGEST_BATCH_ONE_WRITER) if one_writer else (AIM_SECONDS, BIGGEST_BATCH)
        if seconds > aim:
            # Below ``SMALLEST_BATCH`` most time is spent finding rows: smaller batches would slow the whole erase down.
            self.rows = max(min(self.rows, SMALLEST_BATCH), int(self.rows * max(0.5, aim / seconds)))
        elif count >= self.rows // 2:
            self.rows = min(most, int(self.rows * min(2.0, aim / max(seconds, 0.001))) + 1)

    def halve(self, tried: int) -> None:
        """Shrink after a conflict or a timeout with ``tried`` rows."""
        self.rows = max(1, tried // 2)


def entry_of(receipt: dict[str, Any], store: str) -> dict[str, int | None]:
    """Return the entry of ``store``: how many rows were found, done and are left; None: not counted."""
    stores: dict[str, dict[str, int | None]] = receipt.setdefault("stores", {})
    return stores.setdefault(store, {"found": None, "done": 0, "left": None})


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
