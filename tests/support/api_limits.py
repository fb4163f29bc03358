"""Limits of requests for a test, and the statuses of answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.test import override_settings


@contextmanager
def limits(**settings: Any) -> Iterator[None]:
    """Only the limits that are named."""
    names = ("REQUESTS_PER_MINUTE", "FAILED_KEYS_PER_MINUTE", "NEW_JOBS_PER_MINUTE", "MOST_WAITING")
    with override_settings(JOBS={**dict.fromkeys(names), **settings}):
        yield


def statuses(*answers: Any) -> list[int]:
    return [answer.status_code for answer in answers]
