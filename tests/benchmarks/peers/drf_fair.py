"""The fair floor: the lean peer with what a service of this kind cannot do without.

Requests are counted in Redis by key and minute, in one round trip. Each has an id, which its answer and its event show.
A cancel is a transaction: it waits for a row's lock for a limited time, and writes an event beside the new status.
"""

import os
import time
from typing import Any, Final
from uuid import uuid4

import redis
from django.db import connection, transaction
from django.http import HttpResponse
from django.urls import path
from rest_framework import exceptions
from rest_framework.request import Request

from tests.benchmarks.peers import drf_lean
from tests.benchmarks.peers.contract import CANCEL
from tests.benchmarks.peers.drf_lean import answer, query

MOST_A_MINUTE: Final = 1_000_000
KEPT_SECONDS: Final = 120
LOCK_WAIT: Final = "SET LOCAL lock_timeout = '5s'"
CANCEL_WITH_EVENT: Final = f"""
    WITH moved AS ({CANCEL}), told AS (
        INSERT INTO event (job_id, at, what, from_status, to_status, actor, request_id)
        SELECT job_id, now(), 'cancelled', 'scheduled', 'cancelled', %s, %s FROM moved
    ) SELECT * FROM moved
"""

cache = redis.Redis.from_url(os.environ["CACHE_URL"])


class Accountable:
    """Counts requests, and gives each an id."""

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        self.used, self.seconds_left = count(request.user.digest)
        if self.used > MOST_A_MINUTE:
            raise exceptions.Throttled(self.seconds_left)

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.request_id = request.META.get("HTTP_X_REQUEST_ID") or uuid4().hex
        return super().initialize_request(request, *args, **kwargs)  # type: ignore[misc]

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(*args, **kwargs)  # type: ignore[misc]
        response.headers["X-Request-Id"] = self.request_id
        if hasattr(self, "used"):
            response.headers["RateLimit"] = f'"key";r={MOST_A_MINUTE - self.used};t={self.seconds_left}'
            response.headers["RateLimit-Policy"] = f'"key";q={MOST_A_MINUTE};w=60'
        return response


def count(digest: str) -> tuple[int, int]:
    """Count a request of this key; return how many it sent in this minute, and the seconds left of it."""
    minute, elapsed = divmod(int(time.time()), 60)
    key = f"peers:{digest}:{minute}"
    with cache.pipeline(transaction=False) as commands:
        used = commands.set(key, 0, ex=KEPT_SECONDS, nx=True).incr(key).execute()[1]
    return int(used), 60 - elapsed


class JobList(Accountable, drf_lean.JobList):
    pass


class JobDetail(Accountable, drf_lean.JobDetail):
    def delete(self, request: Request, project_key: str, job_id: int) -> HttpResponse:
        caller = request.user
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(LOCK_WAIT)
            asked = [caller.project, job_id, caller.digest[:12], self.request_id]
            cancelled = query(CANCEL_WITH_EVENT, asked)
        return answer(cancelled[0]) if cancelled else self.refuse(request, job_id)


urlpatterns = [
    path("public/<str:project_key>/jobs", JobList.as_view()),
    path("public/<str:project_key>/jobs/<int:job_id>", JobDetail.as_view()),
]
