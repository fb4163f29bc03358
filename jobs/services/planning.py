"""Let a search walk the index that it was written for, whatever the planner takes the table to be."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import transaction

from ..database import home, supports_row_locks

# With these off PostgreSQL takes such a plan only where there is no other. Statistics of single columns do not say
# that jobs with a status lie side by side, so it would read and sort the whole table rather than walk an index of it.
OFF: Final = (
    *("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort"),
    # The few rows that a search names are to be looked up, not met while all others are read.
    *("enable_hashjoin", "enable_mergejoin"),
    # What is switched off has an enormous cost to the planner, for which it would compile a walk of milliseconds.
    "jit",
)
SETTINGS: Final = {**dict.fromkeys(OFF, "off"), "max_parallel_workers_per_gather": "0"}


@contextmanager
def index_walks() -> Iterator[None]:
    """Have the statements of the block walk indexes in their order; without row locks (SQLite) they do anyhow."""
    connection = home()
    if not supports_row_locks(connection):
        yield
        return
    outermost = not connection.in_atomic_block
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(['current_setting(%s)'] * len(SETTINGS))}", list(SETTINGS))
        before = cursor.fetchone()
        _set(SETTINGS)
        yield
        if not outermost:  # else the settings end with the transaction
            _set(dict(zip(SETTINGS, before, strict=True)))


def _set(settings: dict[str, str]) -> None:
    calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
    with home().cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [word for pair in settings.items() for word in pair])
