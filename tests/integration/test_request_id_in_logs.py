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

logger = logging.getLogger(__name__)


@pytest.fixture
def lines() -> Iterator[list[tuple[str, str]]]:
    """Message and request id of all that is logged from DEBUG up, but for the loops' own lines."""
    found: list[tuple[str, str]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "asyncio":
                found.append((record.getMessage(), record.request_id))

    handler = Keep()
    handler.addFilter(RequestId())
    handler.addFilter(MaskReferences())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(handler)
    root.setLevel(level)


def ids_in(lines: list[tuple[str, str]]) -> set[str]:
    return {request_id for _, request_id in lines}


def test_lines_of_a_request_name_it_also_that_which_django_writes_at_the_end(api: Api, lines: list[tuple[str, str]]):
    job = make_job(project=api.project)
    lines.clear()

    api.delete(f"/jobs/{job.pk}", headers={"X-Request-Id": "mine"})
    api.delete("/users/canary%00@example.com", headers={"X-Request-Id": "mine"})

    refused = [message for message, _ in lines if message.startswith("Bad Request: ")]
    assert len(refused) == 1
    assert refused[0].endswith("/users/***")
    assert ids_in(lines) == {"mine"}


def test_an_id_that_is_made_is_that_of_the_answer(api: Api, lines: list[tuple[str, str]]):
    lines.clear()

    answer = api.get("/jobs/abc")

    assert ids_in(lines) == {answer["X-Request-Id"]} == {answer.json()["requestId"]}


@pytest.mark.django_db
def test_outside_of_requests_and_of_the_api_there_is_none(lines: list[tuple[str, str]]):
    logger.info("before")
    Client().get("/nowhere", headers={"X-Request-Id": "mine"})
    Client().get("/public/nowhere", headers={"X-Request-Id": "theirs"})
    logger.info("after")

    ids = dict(lines)
    assert ids["before"] == ids["after"] == ids["Not Found: /nowhere"] == "-"
    assert ids["Not Found: /public/nowhere"] == "theirs"


@pytest.mark.parametrize("is_below", [True, False])
def test_it_is_forgotten_also_after_an_error(is_below: bool, lines: list[tuple[str, str]]):
    def fail(request: HttpRequest) -> None:
        logger.info("within")
        raise RuntimeError

    request = HttpRequest()
    request.path = request.path_info = "/public/x/jobs" if is_below else "/elsewhere"
    request.META["HTTP_X_REQUEST_ID"] = "mine"

    with pytest.raises(RuntimeError):
        JsonErrors(fail)(request)
    logger.info("after")

    assert dict(lines) == {"within": "mine" if is_below else "-", "after": "-"}


@pytest.mark.django_db(transaction=True)
def test_under_asgi_requests_beside_each_other_keep_their_ids(
    api: Api, lines: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
):
    def cancel(job_id: int, **further: Any) -> Any:
        logger.info("Cancel job=%s", job_id)
        return cancel_job(job_id, **further)

    monkeypatch.setattr("jobs.api.views.cancel_job", cancel)
    jobs = [make_job(project=api.project) for _ in range(4)]
    lines.clear()

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
    refused = {(int(m.rsplit("/", 1)[1]), i) for m, i in lines if m.startswith("Bad Request: ")}
    cancelled = [(int(m.removeprefix("Cancel job=")), i) for m, i in lines if m.startswith("Cancel job=")]
    assert refused == told
    assert sorted(cancelled) == sorted([*told, *told])
