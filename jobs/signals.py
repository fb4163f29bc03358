"""The signal ``job_finished`` for host code."""

from typing import Final

from django.dispatch import Signal

job_finished: Final = Signal()
"""A job has ended, and this is committed.

Sent with ``sender=Job``, ``job`` (the row after the commit) and ``status``:
``Status.COMPLETED``, ``FAILED`` or ``CANCELLED``. Receivers run in the process that ended
the job, a worker's thread or the request that cancelled it, so they should be short. An
exception in a receiver is logged and changes nothing. Sent at most once for each job: not
if the process dies right after the commit.
"""
