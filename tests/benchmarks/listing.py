"""Measures the REST list of a project with ten million jobs on PostgreSQL: ``make bench-api``.

Everything runs in one process, through WSGI callables without a server or a socket: the
reference host with all its middleware, and a bare callable with raw SQL. What is compared
takes turns, as only ratios mean something on a machine that others use too; a figure is
the median of the rounds' ratios. It takes some 10 GB of disk and some ten minutes.
"""

import io
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from tests.benchmarks.processes import MeasureFailed
from tests.benchmarks.program import Table, above, run_on_skewed_jobs

ROUNDS: Final = 15
AIM_FIRST_PAGE: Final = 3.0
AIM_CURSOR: Final = 1.5
AIM_DEEPEST_MS: Final = 500
SHARES: Final = (0.1, 0.5, 0.9, 0.999)
INSERTED: Final = 20_000
AIM_INSERT: Final = 4.0
AIM_INDEXES: Final = 1.8
# The same columns with a primary key and one index; and with all that the jobs' table has, filled by an INSERT.
BARE: Final = """
    CREATE UNLOGGED TABLE bare (LIKE jobs_job INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id));
    CREATE INDEX ON bare (project_id, id);
    CREATE UNLOGGED TABLE filled (LIKE jobs_job INCLUDING ALL)
"""
REQUEST: Final = (("request ms", 12), ("ratio", 8))


@dataclass(frozen=True, kw_only=True)
class Caller:
    application: Callable[..., Any]
    project_key: str
    secret: str

    def get(self, path: str) -> float:
        """Ask for ``/jobs…``, which must succeed; return the milliseconds."""
        where, _, query = path.partition("?")
        status: list[str] = []
        environ = {
            "REQUEST_METHOD": "GET", "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "PATH_INFO": f"/public/{self.project_key}{where}", "QUERY_STRING": query, "SCRIPT_NAME": "",
            "HTTP_HOST": "localhost", "HTTP_AUTHORIZATION": f"Bearer {self.secret}",
            "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http", "wsgi.version": (1, 0),
        }  # fmt: skip
        begun = time.perf_counter()
        body = self.application(environ, lambda line, headers, *_: status.append(line))
        parts = list(body)
        getattr(body, "close", lambda: None)()
        taken = (time.perf_counter() - begun) * 1000
        if status != ["200 OK"]:
            raise MeasureFailed(f"{path}: {status} {b''.join(parts)[:200]!r}")
        return taken


def run(url: str, project: Any, rows: int) -> None:
    from jobs.models import Job
    from jobs.services.tenants.api_keys import create_api_key
    from jobsite.wsgi import application
    from tests.benchmarks import bare

    print_counting()
    secret = create_api_key(organization=project.organization).secret
    ours = Caller(application=application, project_key=project.key, secret=secret)
    plain = Caller(application=bare.application(url), project_key=project.key, secret=secret)
    first_id = Job.objects.order_by("pk").values_list("pk", flat=True)[0]
    print_first_pages(ours, project, rows)
    print_depths(ours, project, rows, first_id)
    table = Table("beside a bare WSGI callable with raw SQL", *REQUEST)
    for name, path in {"list of 50": "/jobs", "one job": f"/jobs/{first_id + rows // 2}"}.items():
        print_pair(table, name, lambda path=path: ours.get(path), lambda path=path: plain.get(path))
    print_memory(ours, rows)
    print_write_cost(project, rows)


def print_counting() -> None:
    from jobs.stats.block_counts import BlockCounter

    counter, begun, blocks = BlockCounter(), time.monotonic(), 0
    while new := counter.count():
        blocks += new
    each = (time.monotonic() - begun) * 1000 / max(blocks, 1)
    print(f"{blocks:,} blocks of ids counted, {each:.1f} ms each", flush=True)


def first_pages(rows: int) -> dict[str, str]:
    """Return the queries whose first pages are measured, filters one by one before filters together."""
    from tests.benchmarks.skewed import BEGAN_MS, SECONDS_BETWEEN

    def at(share: float) -> int:
        return round(BEGAN_MS + share * rows * SECONDS_BETWEEN * 1000)

    day = f"{at(0.3)}&{{}}To={at(0.3) + 86_400_000}"
    single = [
        *("status=failed", "status=running", "status=scheduled&sort=jobId", "status=completed"),
        *("status=failed&status=running", "action=export_user_data", "action=rare_action", "action=unknown"),
        *("referenceId=user-77%40example.com", "referenceId=nobody"),
        *(f"createdFrom={at(0.999)}", f"createdFrom={at(0)}", f"createdTo={at(0.03)}", f"createdTo={at(0.5)}"),
        *(f"createdFrom={day.format('created')}", f"createdFrom={at(1.1)}", f"createdTo={at(0.5)}&sort=jobId"),
        *(f"startFrom={at(0.999)}", f"startTo={at(0.03)}", f"startTo={at(0.5)}", f"startFrom={day.format('start')}"),
        *("sort=jobId", "sort=startAt", "sort=-startAt", f"sort=startAt&startFrom={at(0.5)}"),
        *("sort=startAt&status=scheduled", "sort=-startAt&status=failed"),
    ]
    together = [
        f"status=failed&createdFrom={day.format('created')}",
        f"status=completed&createdTo={at(0.3)}",
        f"sort=startAt&createdFrom={day.format('created')}",
        *("status=completed&action=delete_user_data", "sort=startAt&action=rare_action"),
    ]
    return {"(no filter)": "", **{query: query for query in single}, **{f"+ {query}": query for query in together}}


def print_first_pages(ours: Caller, project: Any, rows: int) -> None:
    table = Table("first page of 50", *REQUEST, ("SQL ms", 10), ("ratio", 8))
    base = statement_of("", project)
    for name, query in first_pages(rows).items():
        sql = statement_of(query, project)
        times, ratios = compare(lambda query=query: ours.get(f"/jobs?{query}"), lambda: ours.get("/jobs"))
        sql_times, sql_ratios = compare(lambda sql=sql: run_sql(*sql), lambda: run_sql(*base))
        figures = map(median, (times, ratios, sql_times, sql_ratios))
        table.row(name, *figures, remark=above(median(ratios), AIM_FIRST_PAGE))


def print_depths(ours: Caller, project: Any, rows: int, first_id: int) -> None:
    """Measure pages far from the first: by number, by cursor, and the last beside a count over the same index."""
    from jobs.api.cursors import write_cursor
    from jobs.services.search.api_query import Position

    table = Table("deeper", *REQUEST)
    for share in (*SHARES[:-1], 1.0):
        page = round(share * rows / 50)
        times, ratios = compare(lambda page=page: ours.get(f"/jobs?page={page}"), lambda: ours.get("/jobs"), rounds=5)
        remark = above(median(times), AIM_DEEPEST_MS, " ms")
        table.row(f"page={page}", median(times), median(ratios), remark=remark)
    for share in SHARES:
        cursor = write_cursor(Position(job_id=first_id + round(rows * (1 - share))), sort="-jobId")
        path = f"/jobs?cursor={cursor}"
        times, ratios = compare(lambda path=path: ours.get(path), lambda: ours.get("/jobs?cursor="))
        remark = above(median(ratios), AIM_CURSOR)
        table.row(f"cursor behind {share:.1%} of all", median(times), median(ratios), remark=remark)
    deepest = statement_of("", project, offset=rows - 50)
    count = "SELECT count(*) FROM jobs_job WHERE project_id = %s", [project.pk]
    name = "SQL of the last page, beside count(*)"
    print_pair(table, name, lambda: run_sql(*deepest), lambda: run_sql(*count), rounds=5)


def print_memory(ours: Caller, rows: int) -> None:
    """Print how much a request needs at most, and whether the process grows with hundreds of them."""
    table = Table("memory", ("peak kB", 12))
    for path in ("/jobs", f"/jobs?page={rows // 50}", "/jobs?status=failed", "/jobs?limit=200"):
        ours.get(path)
        tracemalloc.start()
        ours.get(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        table.row(path, f"{peak / 1024:,.0f}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(300):
        ours.get("/jobs?status=completed&cursor=")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    table.row("growth of the process over 300 lists", f"{grown:,.0f}")


def print_write_cost(project: Any, rows: int) -> None:
    """Print what the indexes cost an insert, which is rolled back, and their size, new and as inserts leave them."""
    from tests.benchmarks.rows import execute
    from tests.benchmarks.skewed import insert, insert_new_and_forget, size_of_indexes

    execute(BARE)
    insert(project, min(rows, 10 * INSERTED), table="filled")
    table = Table("what the indexes cost", ("ms", 12), ("ratio", 8))
    for name, size in {"built": size_of_indexes(), "after inserts": size_of_indexes("filled")}.items():
        table.row(f"size of the indexes to that of the rows, {name}", "", size, remark=above(size, AIM_INDEXES))
    times, ratios = compare(
        lambda: insert_new_and_forget(project, INSERTED, rows=rows),
        lambda: insert_new_and_forget(project, INSERTED, rows=rows, table="bare"),
        rounds=5,
    )
    name = f"{INSERTED:,} new jobs, beside a key and one index"
    table.row(name, median(times), median(ratios), remark=above(median(ratios), AIM_INSERT))


def print_pair(
    table: Table, name: str, one: Callable[[], float], other: Callable[[], float], *, rounds: int = ROUNDS
) -> None:
    """Print the median of the first, and of the ratios of the first to the second."""
    times, ratios = compare(one, other, rounds=rounds)
    table.row(name, median(times), median(ratios))


def compare(
    one: Callable[[], float], other: Callable[[], float], *, rounds: int = ROUNDS
) -> tuple[list[float], list[float]]:
    """Call both in turns, after once that is not counted; return the first's milliseconds and the rounds' ratios."""
    one(), other()
    pairs = [(one(), other()) for _ in range(rounds)]
    return [time for time, _ in pairs], [time / beside for time, beside in pairs]


def statement_of(query: str, project: Any, *, offset: int = 0) -> tuple[str, Any]:
    """Return the SQL of a page and its parameters."""
    from urllib.parse import parse_qs

    from jobs.api.filters import JobFilters
    from jobs.services.search.api_pages import JobRow
    from jobs.services.search.api_query import ListQuery
    from jobs.services.search.api_sql import page_sql
    from jobs.services.search.planner import Limits

    wanted, limits = JobFilters(parse_qs(query), ListQuery()).qs, Limits(limit=51, offset=offset)
    return page_sql(wanted, project=project, limits=limits, columns=JobRow._fields)


def run_sql(sql: str, params: Any) -> float:
    """Run a statement on the driver's cursor that binds as Django's does; return the milliseconds."""
    import psycopg
    from django.db import connection

    connection.ensure_connection()
    begun = time.perf_counter()
    with psycopg.ClientCursor(connection.connection) as cursor:
        cursor.execute(sql, params).fetchall()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    sys.exit(run_on_skewed_jobs("tests.benchmarks.listing", __doc__, "benchmarks_jobs_list", run))
