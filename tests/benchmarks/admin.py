"""Measures the admin's pages with ten million jobs on PostgreSQL: ``make bench-admin``.

In process, through Django's test client, as a superuser who has logged in: the whole of a
request but for the socket. A figure is the median of the rounds. It takes some 10 GB of
disk and some ten minutes.
"""

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

from tests.benchmarks.processes import MeasureFailed
from tests.benchmarks.program import Table, run_on_skewed_jobs

ROUNDS: Final = 7
AIM_MS: Final = 150
AIM_JOB_MS: Final = 50
AIM_OVERVIEW_MS: Final = 200
AIM_JOB_QUERIES: Final = 12
AIM_JOB_KIB: Final = 60


@dataclass(frozen=True, kw_only=True)
class Measured:
    times: list[float]
    queries: int
    kib: float


def run(_: str, project: Any, rows: int) -> None:
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.urls import reverse

    from jobs.models import Job

    client = Client()
    client.force_login(get_user_model().objects.create_superuser("benchmarks"))
    first_id, last_id = (Job.objects.order_by(order).values_list("pk", flat=True)[0] for order in ("pk", "-pk"))
    table = Table("page", ("ms", 8), ("worst", 8), ("queries", 9), ("KiB", 6), width=58, last=" aim")
    for query in queries(project, rows, first_id, last_id):
        print_page(table, client, f"list?{query}", f"/admin/jobs/job/?{query}", AIM_MS)
    for name, job_id in {"newest": last_id, "oldest": first_id, "in the middle": (first_id + last_id) // 2}.items():
        measured = print_page(table, client, f"job page, {name}", f"/admin/jobs/job/{job_id}/change/", AIM_JOB_MS)
        for what, value, aim in (("queries", measured.queries, AIM_JOB_QUERIES), ("KiB", measured.kib, AIM_JOB_KIB)):
            table.row("", "", "", "", f"{value:.0f}", remark=f" {aim} {what} {'kept' if value <= aim else 'MISSED'}")
    fill_statistics()
    for span in ("1h", "24h", "7d"):
        print_page(
            table, client, f"overview, {span}", f"{reverse('admin:jobs_job_overview')}?span={span}", AIM_OVERVIEW_MS
        )


def queries(project: Any, rows: int, first_id: int, last_id: int) -> list[str]:
    """Return the queries of the list: each filter, then filters together, counts, searches and the deepest pages."""
    statuses = [f"status={status}" for status in ("scheduled", "running", "completed", "failed", "cancelled")]
    single = [*statuses, *(f"action={name}" for name in ("delete_user_data", "rare_action", "unknown"))]
    single += [f"{name}={span}" for name in ("created", "started") for span in ("1h", "24h", "7d", "30d")]
    single += ["attempts=2", "late=1", f"project={project.pk}", f"same_as={first_id + rows // 2}"]
    together = [
        *("status=failed&attempts=2", "status=completed&attempts=2", "status=completed&action=rare_action"),
        *("status=failed&created=30d", "late=1&action=rare_action", "late=1&attempts=2"),
        *(f"project={project.pk}&{other}" for other in ("status=failed", "action=rare_action", "late=1", "attempts=2")),
        f"project={project.pk}&status=completed&action=rare_action",
        f"attempts=2&before={first_id + rows // 2}",
        f"status=failed&attempts=2&before={first_id + rows // 2}",
        f"status=completed&attempts=2&before={first_id + rows // 2}",
        f"project={project.pk}&attempts=2&before={first_id + rows // 2}",
    ]
    counted = [
        "",
        "status=failed",
        "status=completed&attempts=2",
        "action=rare_action",
        f"project={project.pk}",
        "late=1",
    ]
    searches = [f"q={first_id + rows // 2}", "q=user-77%40example.com", "q=nobody", "q=+user-77%40example.com"]
    deepest = ["p=200", "p=200&o=1", "status=failed&p=200", "status=completed&p=200", "late=1&p=200"]
    if rows // 1000 < 10_000:
        deepest.remove("status=failed&p=200")  # so many have not failed
    return ["", "o=1", *single, *together, *(f"_facets=True&{query}" for query in counted), *searches, *deepest]


def fill_statistics() -> None:
    """Insert statistics of jobs that ended in every five minutes of the time that the overview looks back on."""
    from django.utils import timezone

    from jobs.models import Statistic
    from jobs.stats.rollup import BUCKET, FIRST_BUCKET_AGE, SLOTS

    seconds = int(BUCKET.total_seconds())
    last = int(timezone.now().timestamp()) // seconds
    slots = {
        "run_slots": [number % 7 for number in range(SLOTS)],
        "wait_slots": [number % 5 for number in range(SLOTS)],
    }
    counts = {"completed": 150, "failed": 3, "cancelled": 2}
    Statistic.objects.bulk_create(
        Statistic(bucket_at=datetime.fromtimestamp((last - age) * seconds, UTC), **counts, **slots)
        for age in range(1, FIRST_BUCKET_AGE // BUCKET + 1)
    )


def print_page(table: Table, client: Any, name: str, path: str, aim_ms: int) -> Measured:
    measured = measure(client, path)
    middle, kib = median(measured.times), f"{measured.kib:.0f}"
    remark = f" {aim_ms} ms {'kept' if middle <= aim_ms else 'MISSED'}"
    table.row(name, f"{middle:.1f}", f"{max(measured.times):.1f}", str(measured.queries), kib, remark=remark)
    return measured


def measure(client: Any, path: str) -> Measured:
    """Get a page ``ROUNDS`` times, after once that is not counted; it must be there."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
        asked = len(captured)
    if response.status_code != 200:
        raise MeasureFailed(f"{path}: {response.status_code}")
    return Measured(times=[timed(client, path) for _ in range(ROUNDS)], queries=asked, kib=len(response.content) / 1024)


def timed(client: Any, path: str) -> float:
    """Return the milliseconds of one request."""
    begun = time.perf_counter()
    client.get(path)
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    sys.exit(run_on_skewed_jobs("tests.benchmarks.admin", __doc__, "benchmarks_admin", run))
