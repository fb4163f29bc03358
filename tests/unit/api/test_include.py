"""``?include=…``: members of a job beyond its ten."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobs.api.include import INCLUDABLE
from jobs.api.serializers import EPOCH
from jobs.models import Job, JobEvent, Pause, Worker
from jobs.services.commands.interventions import hold_job
from jobs.services.commands.prune import redact_jobs
from jobs.services.search.jobs import get_job_and_time
from jobs.status import Status
def test_the_reason_of_a_cancel_is_shown(api: Api):
