"""Signals for host code."""

from typing import Final

from django.dispatch import Signal

job_finished: Final = Signal()
"""A job has ended, and that is committed.

Sent with ``sender=Job``, ``job`` – the row as it then stands – and ``status``, one of
``Status.COMPLETED``, ``FAILED`` and ``CANCELLED``. Receivers run in the process that
ended the job: a worker's thread, or the request that cancelled it; so they should be
short. What one raises is logged and changes nothing. At most once a job: not sent, when
the process dies right after the commit.
"""
