"""Send a job to the engine, whatever its row says: ``python -m tests.system.engines.deliver JOB_ID TIMES``."""

import sys

import django

django.setup()

from jobs import tasks  # noqa: E402 – not before the apps are loaded
from jobs.models import Job  # noqa: E402

job = Job.objects.get(pk=int(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    tasks.hand_over(job.pk, action=job.action)
