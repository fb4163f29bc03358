"""One caller: creates jobs and cancels some, and records each call before it is made and when it is answered.

``python -m tests.chaos.client RECORD SEED TARGET``; it ends when it is killed.
"""

import os
import random
import sys
import time
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import django
from django.db import DatabaseError, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.chaos.settings")
PACE_SECONDS: Final = 0.02
SHARED_REFERENCES: Final = 4
ACTIONS: Final = ("consume_verified", "consume_plain", "consume_once", "erase_items")
CANCELS: Final = 0.3
UNKNOWN: Final = "unknown"
ONCE: Final = "once"  # instead of a seed: one call, the same for all


class Client:
    """Keeps about ``target`` jobs active, of all actions, in any of the projects."""

    def __init__(self, record: Path, seed: str, target: int) -> None:
        from jobs import get_project_model
        from tests.chaos.records import Record

        self._record = Record(record)
        self._random = random.Random(seed)
        self._target = target
        self.projects = list(get_project_model()._default_manager.all())
        self._mine: list[tuple[int, Any]] = []

    def run(self) -> None:
        """Call until killed; an outage or an injected error ends a call, not the client."""
        while True:
            try:
                self._call()
            except DatabaseError:
                connection.close()
                time.sleep(PACE_SECONDS)

    def _call(self) -> None:
        from jobs.models import Job

        if Job.objects.active().count() >= self._target:
            time.sleep(PACE_SECONDS)
            return
        self.create(self._random.choice(ACTIONS), self._random.choice(self.projects), self._random.randint(5, 40))
        if self._mine and self._random.random() < CANCELS:
            self.cancel(*self._mine.pop(self._random.randrange(len(self._mine))))

    def create(self, action: str, project: Any, items: int) -> None:
        """Make items, and a job that is to remove them."""
        from jobs import schedule_job
        from jobs.exceptions import JobsError
        from tests.chaos.models import Item

        intent = uuid4().hex
        shared = action == "consume_once"
        reference = f"shared-{project.pk}-{self._random.randrange(SHARED_REFERENCES)}" if shared else intent
        Item.objects.bulk_create([Item(owner=reference) for _ in range(items)])
        self._record.write("create", intent=intent, items=items)
        try:
            # The description carries the intent, so that a row without one, or two of one, are found.
            job = schedule_job(action, project=project, reference_id=reference, description=intent)
        except JobsError as error:
            self._record.write("refused", intent=intent, code=error.code)
        except (DatabaseError, RuntimeError):
            self._record.write(UNKNOWN, intent=intent)
            connection.close()
        else:
            self._record.write("created", intent=intent, job=job.pk)
            self._mine.append((job.pk, project))
            del self._mine[:-8]

    def cancel(self, job_id: int, project: Any) -> None:
        """Cancel; note how much was done when the answer came."""
        from jobs import cancel_job
        from jobs.exceptions import JobsError, TransitionRefused
        from tests.chaos.models import Effect, Item

        self._record.write("cancel", job=job_id)
        try:
            job = cancel_job(job_id, project=project)
        except TransitionRefused as error:
            self._record.write("cancel_refused", job=job_id, status=error.status.value)
        except JobsError as error:
            self._record.write("cancel_busy", job=job_id, code=error.code)
        except (DatabaseError, RuntimeError):
            self._record.write(UNKNOWN, job=job_id)
            connection.close()
        else:
            self._record.write("cancelled", job=job_id)
            effects = Effect.objects.filter(job_id=job_id).count()
            left = Item.objects.filter(owner=job.reference_id).count()
            self._record.write("seen_after_cancel", job=job_id, effects=effects, left=left)


def main() -> None:
    """Set up and call."""
    django.setup()
    record, seed, target = sys.argv[1:]
    client = Client(Path(record), seed, int(target))
    if seed == ONCE:
        client.create("consume_once", client.projects[0], items=4)
    else:
        client.run()


if __name__ == "__main__":
    main()
