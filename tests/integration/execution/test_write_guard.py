"""While an action runs, its connections refuse writes outside chunks, where a cancel could not hold them back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from jobs.exceptions import ForeignDatabase, WriteOutsideChunk
from jobs.models import Job
from tests.support.concurrency import execute
from tests.support.execution import ANA, make_context, make_visits, write_in_chunk
from tests.support.hostapp.models import Ledger, Visit

# Not inside a test's transaction: a refused save() would leave that unusable.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other_database(tmp_path: Path) -> Iterator[str]:
    """A second database of the host's, with one table."""
    settings = {"other": {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "other.sqlite3"}}
    connections.settings["other"] = connections.configure_settings({**connections.settings, **settings})["other"]
    connections["other"].connect()  # by itself it may not: the test case knows of one database only
    with connections["other"].cursor() as cursor:
        cursor.execute("CREATE TABLE note (id integer)")
    yield "other"
    connections["other"].close()
    del connections["other"]
    del connections.settings["other"]


def execute_many() -> None:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO hostapp_ledger (job_id, what) VALUES (%s, %s)", [(1, ""), (2, "")])


STRAY_WRITES = {
    "create": lambda: Ledger.objects.create(job_id=1),
    "bulk_create": lambda: Ledger.objects.bulk_create([Ledger(job_id=1), Ledger(job_id=2)]),
    "update": lambda: Visit.objects.update(owner="nobody"),
    "delete": lambda: Visit.objects.all().delete(),
    "raw": lambda: execute("INSERT INTO hostapp_ledger (job_id, what) VALUES (1, '')"),
    "raw lower case after blanks": lambda: execute("\n  delete from hostapp_visit"),
    "many": execute_many,
    "drop": lambda: execute("DROP TABLE hostapp_ledger"),
    "after comments": lambda: execute("/* trace */ -- who\n (DELETE FROM hostapp_visit"),
}


@pytest.mark.parametrize("chunks", [0, 1])
@pytest.mark.parametrize("write", STRAY_WRITES.values(), ids=STRAY_WRITES.keys())
def test_a_write_outside_a_chunk_is_refused_also_after_one_has_closed(write: Any, chunks: int):
    make_visits(ANA, 2)
    context = make_context()

    with pytest.raises(WriteOutsideChunk), context.guarded():
        for _ in range(chunks):
            write_in_chunk(context)
        write()

    assert Ledger.objects.count() == chunks
    assert Visit.objects.filter(owner=ANA).count() == 2


def test_reads_and_the_engines_own_statements_pass_the_guard():
    make_visits(ANA, 3)
    context = make_context()

    with context.guarded():
        count = Visit.objects.count()
        context.expect(count)
        context.erase("visits", Visit.objects.all())

    assert Job.objects.get(pk=context.id).progress_done == 3


def test_a_write_to_another_database_is_refused_in_a_chunk_too(other_database: str):
    context = make_context()

    for place in (context.guarded, context.chunk):
        with pytest.raises(WriteOutsideChunk), context.guarded(), place(), connections["other"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM note")
            cursor.execute("INSERT INTO note VALUES (1)")


def test_a_declared_database_may_be_written_to_anywhere(other_database: str):
    context = make_context(databases=frozenset({"other"}))

    with context.guarded(), connections["other"].cursor() as cursor:
        cursor.execute("INSERT INTO note VALUES (1)")
        cursor.execute("SELECT count(*) FROM note")

        assert cursor.fetchone() == (1,)


def test_erase_refuses_rows_of_another_database(other_database: str):
    context = make_context(databases=frozenset({"other"}))

    with pytest.raises(ForeignDatabase, match="'other'"):
        context.erase("visits", Visit.objects.using("other"))
