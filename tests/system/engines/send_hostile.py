"""Sends messages that no dispatcher sends; prints how many: ``django_program tests.system.engines.send_hostile``."""

from typing import Any, Final

from jobs.contrib.celery import run_task
from tests.system.engines.celeryapp import app
from tests.system.engines.settings import TASKS

MESSAGES: Final[tuple[tuple[Any, ...], ...]] = (
    ("os.system", ["true"], {}),
    ("tests.system.engines.imported_by_message.run_job", [7], {}),
    ("jobs.tasks._run_job", [7], {}),
    *(("jobs.tasks.run_job", [job_id], {}) for job_id in ("x", "7", 7.5, True, None, [], {}, 0, -1, 2**63, 10**400)),
    *(("jobs.tasks.run_job", args, {}) for args in ([], [1, 2], None, "1", {"job_id": 1})),
    ("jobs.tasks.run_job", [], {"job_id": "x"}),
    ("jobs.tasks.run_job", [1], "x"),
    (),
    ("jobs.tasks.run_job", [1], {}, "more"),
    (None, None, None),
)

queue = TASKS["default"]["OPTIONS"]["queue_prefix"] + "default"
for message in MESSAGES:
    app.send_task(run_task.name, args=message, queue=queue, serializer="json", ignore_result=True)
print(len(MESSAGES))
