"""While an action runs, its connections refuse writes outside chunks, where a cancel could not hold them back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache.backends.db import DatabaseCache
from django.db import connection, connections, transaction

from jobs import JobCancelled, JobContext, cancel_job
from jobs.exceptions import ActionMisused, ForeignDatabase, WriteOutsideChunk
from jobs.execution.runner import Outcome
from jobs.models import Job
from tests.support.concurrency import InThread, execute, postgresql_only
from tests.support.execution import ANA, make_context, make_visits, run_attempt, write_in_chunk
from tests.support.factories import make_running_job
from tests.support.hiding_managers import MARKING
from tests.support.hostapp.models import Ledger, Visit
from tests.support.second_database import second_database

# Not inside a test's transaction: a refused save() would leave that unusable.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other_database(tmp_path: Path) -> Iterator[str]:
    """A second database of the host's, with one table."""
    with second_database("other", tmp_path) as other:
        with other.cursor() as cursor:
            cursor.execute("CREATE TABLE note (id integer)")
        yield "other"


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
    "after a semicolon": lambda: execute("SELECT ';' ; /* and */ DELETE FROM hostapp_visit"),
    "after WITH": lambda: execute("WITH v AS (SELECT 1) DELETE FROM hostapp_visit"),
    "in WITH": lambda: execute("WITH v AS ( -- gone\n DELETE FROM hostapp_visit RETURNING id) SELECT * FROM v"),
    "procedure": lambda: execute("CALL forget_visits()"),
    "block of code": lambda: execute("DO $$ BEGIN DELETE FROM hostapp_visit; END $$"),
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
    context = make_context(databases=("other",))

    with context.guarded(), connections["other"].cursor() as cursor:
        cursor.execute("INSERT INTO note VALUES (1)")
        cursor.execute("SELECT count(*) FROM note")

        assert cursor.fetchone() == (1,)


def test_rows_in_another_database_are_verified_in_their_table_whatever_the_hosts_class_says(other_database: str):
    with connections["other"].cursor() as cursor:
        cursor.execute("CREATE TABLE hostapp_visit (id integer PRIMARY KEY, owner text)")
        cursor.execute("INSERT INTO hostapp_visit (owner) VALUES ('ana@example.com')")
    rows = MARKING["pair"].rows.using("other").filter(owner=ANA)

    ran, job = run_attempt(lambda context: context.verify("visits", rows), max_attempts=1)

    assert not rows.exists()
    assert ran.outcome is Outcome.FAILED
    assert job.errors == "There are still rows in visits: others add them, or they cannot be deleted."


def test_erase_refuses_rows_of_another_database(other_database: str):
    context = make_context(databases=("other",))

    with pytest.raises(ForeignDatabase, match="'other'"):
        context.erase("visits", Visit.objects.using("other"))


READS = {
    "text": "SELECT '; DELETE FROM x', 'WITH (DELETE FROM x'",
    "name": 'WITH v AS (SELECT 1 AS "(DELETE FROM x") SELECT "(DELETE FROM x" FROM v',
    "comment": "WITH v AS (SELECT 1 /* (DELETE FROM x */) SELECT * FROM v -- ; DELETE FROM x",
    "function": "WITH v AS (SELECT (replace('a', 'b', 'c')) AS t) SELECT * FROM v;",
}


@pytest.mark.parametrize("sql", READS.values(), ids=READS.keys())
def test_a_read_that_only_mentions_a_write_passes(sql: str):
    with make_context().guarded():
        execute(sql)


@postgresql_only
def test_a_write_that_psycopg_composes_is_refused_as_its_text_is():
    from psycopg.sql import SQL, Identifier

    make_visits(ANA, 2)

    for statement in (SQL("DELETE FROM {}").format(Identifier("hostapp_visit")), b"DELETE FROM hostapp_visit"):
        with pytest.raises(WriteOutsideChunk, match="DELETE of hostapp_visit"), make_context().guarded():
            execute(statement)  # type: ignore[arg-type]

    assert Visit.objects.count() == 2


def test_the_message_names_table_and_line_of_the_host_and_no_value():
    def write() -> None:
        Ledger.objects.create(job_id=1, what="secret")

    with pytest.raises(WriteOutsideChunk) as caught, make_context().guarded():
        write()

    line = write.__code__.co_firstlineno + 1
    text = str(caught.value)
    assert text.startswith("INSERT of hostapp_ledger on database 'default' outside a chunk, by ")
    assert f"{Path(__file__).name}:{line};" in text
    assert "secret" not in text


def test_a_database_cache_is_refused_at_the_line_that_sets_it_and_passes_once_its_table_is_named():
    cache = DatabaseCache("Cache_Rows", {})
    execute(
        'CREATE TABLE "Cache_Rows" (cache_key varchar(255) PRIMARY KEY, value text, expires timestamp with time zone)'
    )

    try:
        stray = r"INSERT of Cache_Rows .* by .*test_write_guard\.py"
        with pytest.raises(WriteOutsideChunk, match=stray), make_context().guarded():
            cache.set("answer", 42)
        with make_context(writes_outside=("Cache_Rows",)).guarded():
            cache.set("answer", 42)
            cache.set("answer", 43)

            assert cache.get("answer") == 43
    finally:
        execute('DROP TABLE "Cache_Rows"')


def test_a_named_table_may_be_written_to_outside_chunks_and_no_other():
    make_visits(ANA, 2)
    context = make_context(writes_outside=("Hostapp_Ledger",))

    with context.guarded():
        Ledger.objects.create(job_id=1)
        Ledger.objects.update(what="seen")
        with pytest.raises(WriteOutsideChunk):
            Visit.objects.all().delete()
        with pytest.raises(WriteOutsideChunk):
            execute("WITH l AS (DELETE FROM hostapp_ledger RETURNING id) INSERT INTO hostapp_visit (owner) VALUES ('')")
        with pytest.raises(WriteOutsideChunk):
            execute("DROP TABLE hostapp_ledger")

    assert Ledger.objects.filter(what="seen").count() == 1
    assert Visit.objects.count() == 2


def test_what_a_chunk_writes_to_a_named_table_is_undone_with_the_chunk():
    context = make_context(writes_outside=("hostapp_ledger",))

    with context.guarded(), pytest.raises(ZeroDivisionError), context.chunk():
        Ledger.objects.create(job_id=1)
        raise ZeroDivisionError

    assert not Ledger.objects.exists()


ENDS = [
    *("COMMIT", "commit work", "/* done */ END", "ABORT", "ROLLBACK", "ROLLBACK TRANSACTION"),
    *("PREPARE TRANSACTION 'a'", "SELECT 1; COMMIT"),
]


@pytest.mark.parametrize("sql", ENDS)
def test_a_statement_that_ends_the_transaction_of_a_chunk_is_refused_and_the_chunk_rolled_back(sql: str):
    context = make_context()

    with (
        context.guarded(),
        pytest.raises(ActionMisused, match=r"inside a chunk, by .*concurrency\.py:\d+;"),
        context.chunk(),
    ):
        Ledger.objects.create(job_id=1)
        execute(sql)

    assert not Ledger.objects.exists()
    assert Job.objects.get(pk=context.id).progress_done == 0


def test_savepoints_in_a_chunk_pass():
    context = make_context()

    with context.guarded(), context.chunk() as chunk:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Ledger.objects.create(job_id=1)
            raise ZeroDivisionError
        execute("SAVEPOINT ours")
        execute("ROLLBACK TRANSACTION TO SAVEPOINT ours")
        Ledger.objects.create(job_id=2)
        chunk.add("lines", 1)

    assert list(Ledger.objects.values_list("job_id", flat=True)) == [2]


def test_a_chunk_that_the_driver_has_committed_counts_nothing_after_a_cancel_and_unwinds_the_action():
    job = make_running_job()
    context = make_context(job)

    def commit_and_go_on(context: JobContext) -> None:
        with context.guarded(), context.chunk() as chunk:
            connection.connection.commit()
            InThread(lambda: cancel_job(job.pk, project=job.project)).result()
            chunk.add("lines", 1)

    with pytest.raises(JobCancelled):
        commit_and_go_on(context)

    job.refresh_from_db()
    assert (job.status, job.progress_done, job.receipt) == ("cancelled", 0, {})
    assert isinstance(context.stopped, JobCancelled)
