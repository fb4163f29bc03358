"""Measure the list of a project with ten million jobs on PostgreSQL: what ``make bench-api`` does.

Everything runs in one process, through WSGI callables without a server or a socket: the
reference host with all its middleware, and a bare callable with raw SQL. What is compared
takes turns, as only ratios mean something on a machine that others use too; a figure is
the median of the rounds' ratios. It takes some 10 GB of disk and some ten minutes.
"""

import argparse
import io
import os
import resource
import secrets
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from tests.benchmarks.__main__ import print_facts
from tests.benchmarks.processes import MeasureFailed, environment, migrate
from tests.support.postgres import NoServer, end_cleanly_on_sigterm, postgres_server

ROUNDS: Final = 15
AIM_FIRST_PAGE: Final = 3.0
AIM_CURSOR: Final = 1.5
AIM_DEEPEST_MS: Final = 500
SHARES: Final = (0.1, 0.5, 0.9, 0.999)
INSERTED: Final = 20_000
# Those that serve the filters and sorts of the public list; the list without any has jobs_job_list.
LIST_INDEXES: Final = ("jobs_job_list_by_", "jobs_job_blocks_of_")


def main() -> int:
    """Build, measure, print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.listing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000, help="how many jobs (default: %(default)s)")
    chosen = parser.parse_args()
    end_cleanly_on_sigterm()
    try:
        with postgres_server() as server, server.new_database("benchmarks_jobs_list") as url:
            migrate(url)
            os.environ.update(environment(url))
            os.environ.update(SECRET_KEY=secrets.token_urlsafe(64), ALLOWED_HOSTS="localhost", INSECURE_HTTP="1")
            print_facts(server)
            run(url, chosen.rows)
    except (NoServer, MeasureFailed) as error:
        print(f"\nThe benchmarks could not be run: {error}", file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Calls a WSGI callable as a server would, for one project and key."""

    application: Callable[..., Any]
    project_key: str
    secret: str

    def get(self, path: str) -> float:
        """Ask for ``/jobs…``; return the milliseconds.

        Raises:
            MeasureFailed: the answer is no success.
        """
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


def run(url: str, rows: int) -> None:
    """Fill the table and print section by section."""
    import django

    django.setup()
    from jobs.models import Job
    from jobs.services.tenants.api_keys import create_api_key
    from jobsite.wsgi import application
    from tests.benchmarks import bare
    from tests.benchmarks.skewed import fill

    begun = time.monotonic()
    project = fill(rows)
    secret = create_api_key(organization=project.organization).secret
    print(f"{rows:,} jobs of one project, filled and indexed in {time.monotonic() - begun:,.0f} s")
    print_counting()
    ours = Caller(application=application, project_key=project.key, secret=secret)
    plain = Caller(application=bare.application(url), project_key=project.key, secret=secret)
    first_id = Job.objects.order_by("pk").values_list("pk", flat=True)[0]

    print(f"\n{'first page of 50':47}{'request ms':>12}{'ratio':>8}{'SQL ms':>10}{'ratio':>8}")
    for name, query in first_pages(rows).items():
        print_first_page(name, query, ours, project)
    print(f"\n{'deeper':47}{'request ms':>12}{'ratio':>8}")
    print_depths(ours, rows, first_id)
    print_deepest_sql(project, rows)
    print(f"\n{'beside a bare WSGI callable with raw SQL':47}{'request ms':>12}{'ratio':>8}")
    for name, path in {"list of 50": "/jobs", "one job": f"/jobs/{first_id + rows // 2}"}.items():
        times, ratios = compare(lambda path=path: ours.get(path), lambda path=path: plain.get(path))
        print(f"{name:47}{median(times):12.2f}{median(ratios):8.2f}", flush=True)
    print_memory(ours, rows)
    print_write_cost(project)
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.2f}, of which the benchmarks are a part.")


def print_counting() -> None:
    """Count the blocks of ids, as the sweeps of a worker would bit by bit."""
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


def print_first_page(name: str, query: str, ours: Caller, project: Any) -> None:
    """Measure a first page beside the first page without a filter, as a request and as SQL alone."""
    times, ratios = compare(lambda: ours.get(f"/jobs?{query}"), lambda: ours.get("/jobs"))
    sql, base = statement_of(query, project), statement_of("", project)
    sql_times, sql_ratios = compare(lambda: run_sql(*sql), lambda: run_sql(*base))
    missed = "" if median(ratios) <= AIM_FIRST_PAGE else f"  ABOVE THE AIM of {AIM_FIRST_PAGE:g}"
    figures = f"{median(times):12.2f}{median(ratios):8.2f}{median(sql_times):10.2f}{median(sql_ratios):8.2f}"
    print(f"{name:47}{figures}{missed}", flush=True)


def print_depths(ours: Caller, rows: int, first_id: int) -> None:
    """Measure pages by number and by cursor far from the first."""
    from jobs.api.cursors import write_cursor
    from jobs.services.search.api_query import Position

    for share in (*SHARES[:-1], 1.0):
        page = round(share * rows / 50)
        times, ratios = compare(lambda page=page: ours.get(f"/jobs?page={page}"), lambda: ours.get("/jobs"), rounds=5)
        missed = "" if median(times) <= AIM_DEEPEST_MS else f"  ABOVE THE AIM of {AIM_DEEPEST_MS} ms"
        print(f"{f'page={page}':47}{median(times):12.2f}{median(ratios):8.2f}{missed}", flush=True)
    for share in SHARES:
        cursor = write_cursor(Position(job_id=first_id + round(rows * (1 - share))), sort="-jobId")
        path = f"/jobs?cursor={cursor}"
        times, ratios = compare(lambda path=path: ours.get(path), lambda: ours.get("/jobs?cursor="))
        missed = "" if median(ratios) <= AIM_CURSOR else f"  ABOVE THE AIM of {AIM_CURSOR:g}"
        print(f"{f'cursor behind {share:.1%} of all':47}{median(times):12.2f}{median(ratios):8.2f}{missed}", flush=True)


def print_deepest_sql(project: Any, rows: int) -> None:
    """Measure the last page by number beside counting, which reads the same index from end to end."""
    deepest = statement_of("", project, offset=rows - 50)
    count = "SELECT count(*) FROM jobs_job WHERE project_id = %s", [project.pk]
    times, ratios = compare(lambda: run_sql(*deepest), lambda: run_sql(*count), rounds=5)
    print(f"{'SQL of the last page, beside count(*)':47}{median(times):12.2f}{median(ratios):8.2f}", flush=True)


def print_memory(ours: Caller, rows: int) -> None:
    """Print how much a request needs at most, and whether the process grows with hundreds of them."""
    print(f"\n{'memory':47}{'peak kB':>12}")
    for path in ("/jobs", f"/jobs?page={rows // 50}", "/jobs?status=failed", "/jobs?limit=200"):
        ours.get(path)
        tracemalloc.start()
        ours.get(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"{path:47}{peak / 1024:12,.0f}", flush=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(300):
        ours.get("/jobs?status=completed&cursor=")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{'growth of the process over 300 lists':47}{grown:12,.0f}")


def print_write_cost(project: Any) -> None:
    """Print what the list's indexes cost an insert, beside the same without them; nothing is left of either."""
    from jobs.models import Job
    from tests.benchmarks.skewed import insert_and_forget

    lists = [index for index in Job._meta.indexes if str(index.name).startswith(LIST_INDEXES)]
    print(f"\n{f'insert {INSERTED:,} jobs into the full table':47}{'ms':>12}{'ratio':>8}")
    times, ratios = compare(
        lambda: insert_and_forget(project, INSERTED),
        lambda: insert_and_forget(project, INSERTED, without=lists),
        rounds=5,
    )
    print(f"{f'with all indexes, beside without {len(lists)} of lists':47}{median(times):12.0f}{median(ratios):8.2f}")


def compare(
    one: Callable[[], float], other: Callable[[], float], *, rounds: int = ROUNDS
) -> tuple[list[float], list[float]]:
    """Call both in turns; return the milliseconds of the first, and the ratios of the rounds."""
    one(), other()
    pairs = [(one(), other()) for _ in range(rounds)]
    return [time for time, _ in pairs], [time / beside for time, beside in pairs]


def statement_of(query: str, project: Any, *, offset: int = 0) -> tuple[str, Any]:
    """Return the SQL of a page and its parameters."""
    from urllib.parse import parse_qs

    from jobs.api.filters import parse_search
    from jobs.api.serializers import JOB_COLUMNS
    from jobs.services.search.api_pages import page_queryset

    jobs = page_queryset(parse_search(parse_qs(query)), project=project, limit=51, offset=offset).only(*JOB_COLUMNS)
    sql, params = jobs.query.sql_with_params()
    return sql, params


def run_sql(sql: str, params: Any) -> float:
    """Run a statement on the driver's own cursor; return the milliseconds."""
    from django.db import connection

    connection.ensure_connection()
    begun = time.perf_counter()
    with psycopg_cursor(connection.connection) as cursor:
        cursor.execute(sql, params).fetchall()
    return (time.perf_counter() - begun) * 1000


def psycopg_cursor(connection: Any) -> Any:
    """Return a client-side binding cursor, as Django uses, without Django's conversions."""
    import psycopg

    return psycopg.ClientCursor(connection)


if __name__ == "__main__":
    sys.exit(main())
