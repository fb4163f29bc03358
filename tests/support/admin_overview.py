"""The overview as staff read it, and ended jobs for it."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Final

from django.test import Client

from jobs.status import Status
from tests.support.admin_client import text_of, url
from tests.support.ended_jobs import make_ended
from tests.support.factories import make_project

MINUTE: Final = timedelta(minutes=1)


def page_of(client: Client, **query: str) -> str:
    response = client.get(url("job_overview"), query)
    assert response.status_code == 200, response
    return text_of(response)


def words_of(html: str) -> str:
    """Return what is to be read: no tags, one space between words, no seconds after minutes, in which a test runs."""
    words = " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
    return re.sub(r"\b(\d+ min) \d+ s\b", r"\1", words)


def make_history(now: datetime) -> None:
    project = make_project()
    for number in range(40):
        status = Status.FAILED if number % 5 == 0 else Status.CANCELLED if number % 7 == 0 else Status.COMPLETED
        make_ended(now - number * 31 * MINUTE, status=status, ran=2.0**number % 4000, project=project)
