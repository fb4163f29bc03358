"""Sends one reference and a key through every door, and prints where they might have come to, as JSON.

A process of its own on an empty database: ``django_program tests.support.canary [conflicts]``; with ``conflicts`` it
asks twice for what may be there once.
"""

import json
import sys
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from jobs import tasks
from jobs.actions import all_actions
from jobs.models import Job
from jobs.services.commands.prune import redact_jobs
from jobs.testing import run_due_jobs
from tests.support.error_reports import REFERENCE, break_all, collect, fail_silently
from tests.support.execution import registered_action
from tests.support.factories import make_job, make_key, make_project

# Where the reference belongs: the columns of a job and of its events.
PLACES: Final = {
    "jobs_job": {"reference_id", "unique_key", "description", "errors", "parameters"},
    "jobs_jobevent": {"note", "detail"},
}


def call_api(project: Any, secret: str) -> None:
    """Make each call, well and badly formed, with a right key and with wrong ones."""
    keys = (secret, secret[:-1] + "x", secret.lower(), f"{secret} {secret}")
    user = f"/public/{project.key}/users/{quote(REFERENCE)}"
    jobs = f"/public/{project.key}/jobs"
    new = {"action": "touch_publicly", "referenceId": REFERENCE, "description": f"of {REFERENCE}"}
    bodies = (new, {**new, "action": REFERENCE}, {**new, REFERENCE: 1}, {**new, "startAt": REFERENCE}, [REFERENCE])
    for key in keys:
        client = Client(headers={"Authorization": f"Bearer {key}", "X-Request-Id": "canary"})
        for body in bodies:
            client.post(jobs, body, content_type="application/json", headers={"Idempotency-Key": REFERENCE})
            client.post(jobs, body, content_type="text/plain")
            client.post(f"{jobs}/batch", {"jobs": [body]}, content_type="application/json")
        client.delete(user)
        client.delete(f"{user}%00/")
        for query in ({"referenceId": REFERENCE}, {"status": REFERENCE}, {"cursor": REFERENCE}, {REFERENCE: "1"}):
            client.get(jobs, query)
        client.put(user)
        waiting = Job.objects.filter(status="scheduled").first()
        if waiting is not None:
            client.delete(f"{jobs}/{waiting.pk}?reason={quote(REFERENCE)}")
            client.get(f"{jobs}/{waiting.pk}", {"include": "events,attempts,receipt,progress"})


def call_admin(project: Any) -> None:
    """Search, add and change jobs, as staff do."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("canary-staff"))
    client.post("/admin/jobs/job/add/", {"project": project.pk, "action": "touch", "reference_id": REFERENCE})
    client.post("/admin/jobs/job/add/", {"project": "x", "action": "touch", "reference_id": REFERENCE})
    client.get("/admin/jobs/job/", {"q": REFERENCE})
    job = make_job(project=project, reference_id=REFERENCE)
    for name in ("hold", "resume", "run", "cancel", "retry"):
        client.post(f"/admin/jobs/job/{job.pk}/{name}/", {"reason": f"{REFERENCE} called"})
    for page in ("change", "history"):
        client.get(f"/admin/jobs/job/{job.pk}/{page}/", headers={"Referer": f"/admin/jobs/job/?q={REFERENCE}"})


def fail_with_reference(job: Any) -> None:
    raise ValueError(f"{job.reference_id} is locked")


def work(project: Any) -> None:
    """Run jobs that complete and that fail, send some to the broker, and redact others."""
    with registered_action(fail_with_reference, name="fails_for_canary", max_attempts=1):
        make_job(project=project, action="fails_for_canary", reference_id=REFERENCE)
        make_job(project=project, reference_id=REFERENCE)
        run_due_jobs()
    redact_jobs(timezone.now())
    for _ in range(3):
        tasks.hand_over(
            make_job(project=project, reference_id=REFERENCE, parameters={"who": REFERENCE}).pk, action="touch"
        )


def conflict(project: Any, secret: str) -> None:
    """Ask twice for an action that may be there once: as one call, in a batch, by the users' call, and by staff."""
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    once = {"action": "touch_publicly_once", "referenceId": REFERENCE}
    for _ in range(2):
        client.post(f"/public/{project.key}/jobs", once, content_type="application/json")
        client.post(f"/public/{project.key}/jobs/batch", {"jobs": [once]}, content_type="application/json")
        client.delete(f"/public/{project.key}/users/{quote(REFERENCE)}")
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("canary-conflict"))
    for _ in range(2):
        staff.post("/admin/jobs/job/add/", {"project": project.pk, "action": "touch_once", "reference_id": REFERENCE})


def found_in_tables(*canaries: str) -> list[str]:
    """Return each column outside its place that has one of the texts; the key has no place."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    places = PLACES.get(table, set())
                    texts = [text for text in canaries if column not in places or not text.startswith("canary")]
                    found += [f"{table}.{column}" for text in texts if text in str(value)]
    return found


def go_through(*modes: str) -> None:
    assert all_actions()
    project = make_project()
    secret = make_key(organization=project.organization).secret
    if "conflicts" in modes:
        conflict(project, secret)
        return
    call_api(project, secret)
    call_admin(project)
    work(project)
    with suppress(SystemExit):
        call_command("listapikeys")
    break_all(fail_silently)
    print(json.dumps({"found": found_in_tables(REFERENCE, secret), "secret": secret}))


if __name__ == "__main__":
    print(json.dumps(collect(lambda: go_through(*sys.argv[1:]))))
