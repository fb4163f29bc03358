"""Each line that is logged while a request below the API is served names that request."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest
from django.test import AsyncClient, Client

from jobs.logging import MaskReferences, RequestId
from jobs.middleware import JsonErrors
from jobs.services.commands.cancel import cancel_job
from tests.support.api_client import Api
from tests.support.factories import make_job
from tests.support.logs import kept_records

logger = logging.getLogger(__name__)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """All records, but for the event loops' own."""
    not_of_loops = logging.Filter()
    not_of_loops.filter = lambda record: record.name != "asyncio"  # type: ignore[method-assign]
    with kept_records(not_of_loops, RequestId(), MaskReferences()) as kept:
        yield kept


def lines_of(records: list[logging.LogRecord]) -> list[tuple[str, str]]:
    """Return message and request id of each record."""
    return [(record.getMessage(), record.request_id) for record in records]


@pytest.mark.parametrize("headers", [{"X-Request-Id": "mine"}, {}], ids=["sent", "made"])
def test_lines_of_a_request_name_it_also_that_which_django_writes_at_the_end(
    api: Api, records: list[logging.LogRecord], headers: dict[str, str]
):
    job = make_job(project=api.project)
    records.clear()

    cancelled = api.delete(f"/jobs/{job.pk}", headers=headers)
    refused = api.delete("/users/canary%00@example.com", headers=headers)

    lines = lines_of(records)
    (last,) = [message for message, _ in lines if message.startswith("Bad Request: ")]
    assert last.endswith("/users/***")
    assert refused["X-Request-Id"] == refused.json()["requestId"] == lines[-1][1]
    assert {name for _, name in lines} <= {cancelled["X-Request-Id"], refused["X-Request-Id"]}
    assert (cancelled["X-Request-Id"] == refused["X-Request-Id"] == "mine") == bool(headers)


@pytest.mark.django_db
def test_outside_of_requests_and_of_the_api_there_is_none(records: list[logging.LogRecord]):
    logger.info("before")
    Client().get("/nowhere", headers={"X-Request-Id": "mine"})
    Client().get("/public/nowhere", headers={"X-Request-Id": "theirs"})
    logger.info("after")

    ids = dict(lines_of(records))
    assert ids["before"] == ids["after"] == ids["Not Found: /nowhere"] == "-"
    assert ids["Not Found: /public/nowhere"] == "theirs"


@pytest.mark.parametrize("is_below", [True, False])
def test_it_is_forgotten_also_after_an_error(is_below: bool, records: list[logging.LogRecord]):
    def fail(request: HttpRequest) -> None:
        logger.info("within")
        raise RuntimeError

    request = HttpRequest()
    request.path = request.path_info = "/public/x/jobs" if is_below else "/elsewhere"
    request.META["HTTP_X_REQUEST_ID"] = "mine"

    with pytest.raises(RuntimeError):
        JsonErrors(fail)(request)
    logger.info("after")

    assert dict(lines_of(records)) == {"within": "mine" if is_below else "-", "after": "-"}


@pytest.mark.django_db(transaction=True)
def test_under_asgi_requests_beside_each_other_keep_their_ids(
    api: Api, records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
):
    def cancel(job_id: int, **further: Any) -> Any:
        logger.info("Cancel job=%s", job_id)
        return cancel_job(job_id, **further)

    monkeypatch.setattr("jobs.api.views.cancel_job", cancel)
    jobs = [make_job(project=api.project) for _ in range(4)]
    records.clear()

    async def ask() -> None:
        calls = [
            AsyncClient().delete(
                f"/public/{api.project.key}/jobs/{job.pk}",
                headers={"Authorization": f"Bearer {api.secret}", "X-Request-Id": f"of-{job.pk}"},
            )
            for job in (*jobs, *jobs)
        ]
        await asyncio.gather(*calls)
        await sync_to_async(connections.close_all)()

    asyncio.run(ask())

    told = {(job.pk, f"of-{job.pk}") for job in jobs}
    refused = {(int(m.rsplit("/", 1)[1]), i) for m, i in lines_of(records) if m.startswith("Bad Request: ")}
    cancelled = [(int(m.removeprefix("Cancel job=")), i) for m, i in lines_of(records) if m.startswith("Cancel job=")]
    assert refused == told
    assert sorted(cancelled) == sorted([*told, *told])
