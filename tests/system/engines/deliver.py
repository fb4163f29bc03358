"""Sends a job to the engine, whatever its row says: ``django_program tests.system.engines.deliver JOB_ID TIMES``."""

import sys

from jobs import tasks
from jobs.models import Job

job = Job.objects.get(pk=int(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    tasks.hand_over(job.pk, action=job.action)
