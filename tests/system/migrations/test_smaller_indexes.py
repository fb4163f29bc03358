"""0022 and 0023: smaller indexes take the place of larger ones, and back, while others write."""

from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connection

from tests.support.concurrency import postgresql_only
from tests.support.empty_database import empty_database, run_json

pytestmark = pytest.mark.uses_database

# Runs what is asked for between 0021 and 0023 and back; prints the indexes with their columns, and the statements.
STEPS: Final = """
import django, json, sys
django.setup()
from contextlib import nullcontext
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
first, in_transaction = json.loads(sys.argv[1])
def migrate(target):
    with transaction.atomic() if in_transaction else nullcontext(), CaptureQueriesContext(connection) as captured:
        call_command("migrate", "jobs", target, verbosity=0)
    sent.extend(query["sql"] for query in captured if " INDEX " in query["sql"])
def indexes():
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "jobs_job")
    return {name: index["columns"] for name, index in found.items() if index["index"] and not index["unique"]}
sent = []
call_command("migrate", "jobs", "0021", verbosity=0)
seen = [indexes()]
with connection.cursor() as cursor:
    for statement in first:
        cursor.execute(statement)
for target in ("0023", "0021", "0023"):
    migrate(target)
    seen.append(indexes())
print(json.dumps([seen, sent]))
"""
ADDED: Final = {
    "jobs_job_groups_of_action", "jobs_job_of_reference", "jobs_job_blocks_by_created", "jobs_job_blocks_by_start",
    "jobs_job_running", "jobs_job_status",
}  # fmt: skip
DROPPED: Final = {
    "jobs_job_list_by_action", "jobs_job_list_by_reference", "jobs_job_list_by_start", "jobs_job_blocks_of_created",
    "jobs_job_blocks_of_start", "jobs_job_leases", "jobs_job_by_status", "jobs_job_by_reference",
}  # fmt: skip


def migrate(directory: Path, *first: str, in_transaction: bool = False) -> tuple[list[dict[str, Any]], list[str]]:
    with empty_database(directory) as url:
        asked = f'[{list(first)}, {"true" if in_transaction else "false"}]'.replace("'", '"')
        seen, sent = run_json("-c", STEPS, asked, settings="tests.settings", DATABASE_URL=url)
    return seen, sent


def test_the_indexes_are_replaced_forward_back_and_forward_again(tmp_path: Path):
    (before, after, back, again), sent = migrate(tmp_path)

    assert before.keys() - after.keys() == DROPPED
    assert after.keys() - before.keys() == ADDED
    assert (back, again) == (before, after)
    if connection.vendor == "postgresql":  # no statement keeps writers waiting
        assert len(sent) >= 3 * (len(ADDED) + len(DROPPED))
        assert all("CONCURRENTLY" in statement for statement in sent)


@postgresql_only
def test_what_a_run_that_was_cut_short_has_left_is_built_anew(tmp_path: Path):
    (_, after, *_), _ = migrate(tmp_path, "CREATE INDEX jobs_job_of_reference ON jobs_job (id)")

    assert after["jobs_job_of_reference"] == ["reference_id", "project_id", "id"]


@postgresql_only
def test_in_a_transaction_of_the_caller_indexes_are_built_as_ever(tmp_path: Path):
    (before, after, back, _), sent = migrate(tmp_path, in_transaction=True)

    assert after.keys() - before.keys() == ADDED
    assert back == before
    assert not [statement for statement in sent if "CONCURRENTLY" in statement]
