"""0015 to 0018: a database of the release before keeps its holds, and the positions of its bulk changes."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.empty_database import empty_database, run_json

pytestmark = pytest.mark.uses_database

BEFORE: Final = "0014_reservation"
NEVER: Final = "9999-12-31T00:00:00+00:00"
CREATED: Final = "2025-01-01T12:00:00+00:00"
START: Final = "2025-01-02T12:00:00+00:00"
HELD: Final = "2025-01-03T12:00:00+00:00"
# Migrates to a state, inserts jobs into it if it has none, and prints all jobs as they then stand.
STEP: Final = """
import django, json, sys
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
target, batch, new = json.loads(sys.argv[1])
if batch:
    from importlib import import_module
    import_module("jobs.migrations.0017_fill_held_at_and_bulk_positions").BATCH = batch
call_command("migrate", "jobs", target, verbosity=0)
state = MigrationExecutor(connection).loader.project_state(("jobs", target)).apps
Job = state.get_model("jobs", "Job")
if new:
    organization = state.get_model("jobs", "Organization").objects.create(name="Acme")
    project = state.get_model("jobs", "Project").objects.create(organization=organization, name="Shop", key="k")
    for columns in new:
        Job.objects.create(project=project, reference_id="a", description="A", **columns)
columns = {"status", "due_at", "held_at", "receipt", "bulk_positions"} & {field.name for field in Job._meta.fields}
print(json.dumps(list(Job.objects.order_by("pk").values(*sorted(columns))), default=lambda value: value.isoformat()))
"""


def old_job(**columns: Any) -> dict[str, Any]:
    instants = {"created_at": CREATED, "start_at": START, "due_at": START}
    return {"action": "touch", "status": "scheduled", **instants, **columns}


def migrate(url: str, target: str, *, batch: int = 0, new: Any = ()) -> list[dict[str, Any]]:
    return run_json("-c", STEP, json.dumps([target, batch, list(new)]), settings="tests.settings", DATABASE_URL=url)


def receipt_of(*positions: tuple[str, int]) -> dict[str, Any]:
    places = {f"last {status} job looked at": {"found": last, "done": 0, "left": last} for status, last in positions}
    return {"stores": {"cancelled": {"found": None, "done": 40, "left": None}, **places}}


def test_holds_and_positions_move_into_their_columns_and_back(tmp_path: Path):
    ended = {"finished_at": HELD, "updated_at": HELD}
    bulk = {"action": "change_jobs", "receipt": receipt_of(("scheduled", 700), ("running", 800))}
    old = [
        old_job(due_at=NEVER, updated_at=HELD),
        old_job(due_at=NEVER),
        old_job(),
        old_job(due_at=NEVER, status="cancelled", **ended),
        old_job(**bulk),
        old_job(**bulk, status="completed", **ended),
        # A receipt of the host's that only looks alike.
        old_job(receipt=receipt_of(("failed", 7))),
    ]

    with empty_database(tmp_path) as url:
        before = migrate(url, BEFORE, new=old)
        after = migrate(url, "0017_fill_held_at_and_bulk_positions", batch=2)
        back = migrate(url, BEFORE, batch=2)

    assert [(job["held_at"], job["due_at"]) for job in after[:4]] == [
        (HELD, START),
        (CREATED, START),
        (None, START),
        (None, START),
    ]
    counted = receipt_of()
    positions = {"scheduled": 700, "running": 800}
    assert [(job["bulk_positions"], job["receipt"]) for job in after[4:]] == [
        (positions, counted),
        (positions, counted),
        (None, receipt_of(("failed", 7))),
    ]
    # What was cancelled while it was held is no longer known for it; nobody asks when it would have been due.
    assert back[:3] + back[4:] == before[:3] + before[4:]
