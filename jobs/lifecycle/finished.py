"""The signal ``job_finished``: sent after the commit, so that no receiver can harm the job."""

import logging

from django.db import Error

from ..exceptions import ActionMisused
from ..models import Job
from ..signals import job_finished
from ..status import Status
from .isolation import no_transaction_left_open

logger = logging.getLogger(__name__)


def send_job_finished(job_id: int, status: Status) -> None:
    """Send ``job_finished``; without receivers this costs no statement."""
    if not job_finished.has_listeners(Job):
        return
    try:
        with no_transaction_left_open():
            job = Job.objects.get(pk=job_id)
            answers = job_finished.send_robust(sender=Job, job=job, status=status)
    except (Error, ActionMisused, Job.DoesNotExist) as error:
        logger.error("job=%s job_finished: %s", job_id, type(error).__name__)
        return
    for receiver, answer in answers:
        if isinstance(answer, Exception):
            name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
            logger.error("job=%s a receiver of job_finished raised: %s %s", job_id, name, type(answer).__name__)
