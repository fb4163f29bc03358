"""Files of the rows that a map erases: noted in the transaction that erases the rows, removed after its commit.

A file that is noted is a row of ``PendingFile``, so none is lost when a process dies. It may be removed twice.
"""

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.core.exceptions import EmptyResultSet
from django.db import connections, router
from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now

from ..db import failpoints
from ..db.backoff import backoff
from ..db.connection import limited_transaction
from ..db.timeouts import limited_statements
from ..exceptions import FilesLeft
from ..execution.chunks import entry_of
from ..models import Job, PendingFile
from ..status import ACTIVE
from .own_rows import table_of
from .plan import Store, file_columns

if TYPE_CHECKING:
    from ..execution.context import JobContext

logger = logging.getLogger(__name__)

NOTES: Final = PendingFile._meta.db_table
# Of a batch, for which each column is searched once. Older versions of SQLite take 999 parameters.
MOST_FILES: Final = 900
# A cancel is noticed between two batches.
BATCH_SECONDS: Final = 3.0
ROUND_SECONDS: Final = 30.0
# Between two tries, longer each time.
FIRST_WAIT_SECONDS: Final = 10.0
LONGEST_WAIT_SECONDS: Final = 86_400.0

# By name: whether the file was removed. False: other rows have it, so it stays. None: its storage failed.
Tried = dict[str, bool | None]


def note_files(job_id: int, stores: Iterable[Store], rows: QuerySet[Any]) -> None:
    """Note the files of rows that this chunk is about to erase or change; no name leaves the database."""
    for store in stores:
        column = store.file.name
        named = rows.order_by().filter(**{f"{column}__isnull": False}).exclude(**{column: ""}).values(column).distinct()
        try:
            sql, params = named.query.get_compiler(using=rows.db).as_sql()
        except EmptyResultSet:  # no row can match
            return
        note = f"INSERT INTO {NOTES} (job_id, store, field, tries, name) SELECT %s, %s, %s, 0, found.*"
        with connections[rows.db].cursor() as cursor:
            cursor.execute(f"{note} FROM ({sql}) found", (job_id, store.name, _label(store.file), *params))


def remove_files(store: Store, job: "JobContext[Any]") -> None:
    """Try each file that the job has noted for a store once; end early where a whole batch fails."""
    files = _pending().filter(job_id=job.id, store=store.name)
    batch: list[PendingFile] = []
    tried: Tried = {}
    last = 0
    while True:
        with job.chunk() as chunk:
            chunk.add(store.name, _settle(batch, tried))
            has_failed = bool(batch) and not any(told is not None for told in tried.values())
            batch = [] if has_failed else _take(files.filter(pk__gt=last))
            if not (last and batch):  # at first and at the end, without those that stay, as other rows have them
                chunk.found[store.name] = chunk.remaining = files.count()
        if not batch:
            return
        with job._guard.off():  # a storage may write to the database
            tried = _remove(store.file, batch)
        last = next((each.pk - 1 for each in batch if each.name not in tried), batch[-1].pk)


def check_none_left(job_id: int) -> None:
    """Let no job complete while files of it are pending.

    Raises:
        FilesLeft: there are some.
    """
    left = _pending().filter(job_id=job_id).order_by("store").values_list("store", flat=True).distinct()
    if stores := tuple(left):
        raise FilesLeft(stores)


# ------------------------------------------------------------ what jobs have left


def has_left_files() -> bool:
    """Whether a file can be removed now whose job has ended, or is gone."""
    return _left_files().exists()


def remove_left_files() -> None:
    """Remove files of jobs that have ended or are gone, for half a minute at most; their receipts count them."""
    ends_at = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < ends_at and (first := _left_files().first()):
        files = _pending().filter(job_id=first.job_id, store=first.store, field=first.field)
        if batch := _take(files.filter(next_try_at__lte=Now())):
            tried = _remove(_column(first.field), batch)
            with limited_transaction():
                _count_in_receipt(first, files, removed=_settle(batch, tried))


def forget_unknown_files(before: datetime) -> None:
    """Delete the names of files, noted before an instant, whose columns are in no model any more."""
    old = _pending().filter(noted_at__lt=before)
    for label, count in old.order_by("field").values_list("field").annotate(Count("pk")):
        if _column(label) is None:
            logger.error("%d files of %s were not removed: there is no such column any more", count, label)
            old.filter(field=label)._raw_delete(old.db)


def _left_files() -> QuerySet[PendingFile]:
    active = Job.objects.filter(pk=OuterRef("job_id"), status__in=ACTIVE)
    return _pending().filter(~Exists(active), next_try_at__lte=Now()).order_by("next_try_at", "pk")


def _count_in_receipt(file: PendingFile, files: QuerySet[PendingFile], *, removed: int) -> None:
    found = Job.objects.select_for_update().filter(pk=file.job_id).values_list("receipt", flat=True)
    for receipt in found:
        entry, left = entry_of(receipt, file.store), files.count()
        done = (entry["done"] or 0) + removed
        entry.update(found=done + left, done=done, left=left)
        Job.objects.filter(pk=file.job_id).update(receipt=receipt)


# ------------------------------------------------------------ one batch: take, remove, settle


def _take(files: QuerySet[PendingFile]) -> list[PendingFile]:
    """Return some files to try now, which maintenance does not try for a while; longer each time."""
    batch = list(files.order_by("pk")[:MOST_FILES])
    taken = 0
    for tries in {each.tries for each in batch}:
        wait = timedelta(seconds=backoff(tries, first=FIRST_WAIT_SECONDS, longest=LONGEST_WAIT_SECONDS))
        same = files.filter(pk__in=[each.pk for each in batch if each.tries == tries], tries=tries)
        taken += same.update(tries=tries + 1, next_try_at=Now() + wait)
    return batch if taken == len(batch) else []  # another process has taken some


def _remove(column: Any, batch: list[PendingFile]) -> Tried:
    """Remove files from their storage, for a few seconds; return what came of those that were tried."""
    failpoints.reach("files.taken")
    names = dict.fromkeys(each.name for each in batch)
    if column is None:
        return Tried(names)
    used, errors, tried = _names_in_use(column, set(names)), set(), Tried()
    ends_at = time.monotonic() + BATCH_SECONDS
    for name in names:
        try:
            if name not in used:
                column.storage.delete(name)
            tried[name] = name not in used
        except Exception as error:  # noqa: BLE001 – a storage may raise anything; the file is tried again
            tried[name] = None
            errors.add(type(error).__qualname__)
        if time.monotonic() > ends_at:
            break
    if errors:  # only their types: a text may have the name, which is often personal data
        logger.warning(
            "job=%s files of %s: the storage raised %s", batch[0].job_id, _label(column), ", ".join(sorted(errors))
        )
    failpoints.reach("files.removed")
    return tried


def _names_in_use(column: Any, names: set[str]) -> set[str]:
    """Return those of the names that rows still have, of any model with a column of files in this storage."""
    used: set[str] = set()
    for model in column.model._meta.apps.get_models():
        for other in file_columns(model) if model._meta.managed else ():
            if other.model is model and other.storage == column.storage:
                rows: QuerySet[Any] = QuerySet(model=model, using=router.db_for_write(model))
                rows = rows.filter(**{f"{other.name}__in": names})
                with limited_statements(None, connections[rows.db]):  # the column may have no index
                    used |= set(rows.values_list(other.name, flat=True))
    return used


def _settle(batch: list[PendingFile], tried: Tried) -> int:
    """Forget the files that are done, give back those that were not tried; return how many were removed."""
    done = _pending().filter(pk__in=[each.pk for each in batch if tried.get(each.name) is not None])
    gone = done._raw_delete(done.db) or 0
    untried = [each.pk for each in batch if each.name not in tried]
    _pending().filter(pk__in=untried).update(tries=F("tries") - 1, next_try_at=Now())
    return min(gone, sum(1 for told in tried.values() if told))


def _pending() -> QuerySet[PendingFile]:
    """Return all rows, to be deleted without signals: no receiver of the host's hears a name."""
    return table_of(PendingFile)


def _label(column: Any) -> str:
    return f"{column.model._meta.label}.{column.name}"


def _column(label: str) -> Any:
    """Return a column by its label; None: there is none any more."""
    model, _, name = label.rpartition(".")
    try:
        return next((each for each in file_columns(apps.get_model(model)) if each.name == name), None)
    except LookupError:
        return None
