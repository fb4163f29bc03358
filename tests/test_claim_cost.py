"""What a claim costs does not grow with the number of jobs that wait."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.claims import PER_PROJECT, PROJECTS, ClaimOrder
from jobs.models import Job
from tests.factories import LONG_AGO, make_project
from tests.others import postgresql_only

pytestmark = pytest.mark.django_db

# A walk from the root of an index to a row, with room for entries of rows that were changed meanwhile.
BLOCKS_A_LOOK = 10


@postgresql_only
def test_the_search_beyond_the_window_reads_a_few_blocks_a_project():
    columns = {"action": "touch", "reference_id": "user", "description": "Touch"}
    instants = {"created_at": LONG_AGO, "start_at": LONG_AGO, "due_at": LONG_AGO}
    for _ in range(3):
        project = make_project()
        Job.objects.bulk_create([Job(project=project, **columns, **instants) for _ in range(2_000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        ClaimOrder().candidates()

    (search,) = [query["sql"] for query in captured.captured_queries if "RECURSIVE" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {search}")
        (answer,) = cursor.fetchone()
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]

    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= PROJECTS * (1 + PER_PROJECT) * BLOCKS_A_LOOK
