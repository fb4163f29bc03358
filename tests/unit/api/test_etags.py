"""Polling one job: ``ETag``, ``If-None-Match``, ``Retry-After``."""

import time
from datetime import timedelta
from typing import Any

import pytest

from jobs.api.etags import etag_of, is_known
from jobs.models import Job, JobEvent, Worker
from jobs.services.search.jobs import get_job_and_time
from jobs.services.tenants.api_keys import revoke_api_key
from jobs.status import Status
from tests.support.api_client import Api
from tests.support.factories import LONG_AGO, make_job, make_key

ETAG = 'W/"0123456789abcdef"'
EVERYTHING = "include=progress,receipt,events,attempts"


def poll(api: Api, job: Job, etag: str, query: str = "") -> Any:
    return api.get(f"/jobs/{job.pk}?{query}", headers={"If-None-Match": etag})


STRONG = ETAG.removeprefix("W/")
KNOWN = [
    *(ETAG, STRONG, "*", " \t* ", f'"a",{ETAG}', f'W/"a" , \t{ETAG},, "b"', f",, {ETAG} ,", f'"a,b",{ETAG}'),
    # Servers change the tags of bodies that they compress.
    *(f'{ETAG[:-1]}{added}"' for added in ("-gzip", "--gzip", "-zstd", ";br", ":0")),
    f'"a", {STRONG[:-1]}-br"',
    *(f'"W/\\",{ETAG}', f'"\xe9",{ETAG}', f'"",{ETAG}'),
    # Members that are no entity tags are skipped, as by Django's own conditional views.
    *(f"{ETAG}, other", f"*, {ETAG}", f"{ETAG}, *", f'"a b", {ETAG}', f'"a\x00", {ETAG}'),
]
UNKNOWN = [
    *("", ",", '""', '"other"', STRONG.strip('"'), f"w/{STRONG}", ETAG.rstrip('"')),
    *(f'{ETAG[:-1]}{added}"' for added in ("gzip", "-other", "-gzip-gzip", "-gzip-")),
    *(f"{ETAG} {ETAG}", f"{ETAG};{ETAG}", f"W/ {STRONG}"),
]


@pytest.mark.parametrize(
    ("field", "known"), [*((field, True) for field in KNOWN), *((field, False) for field in UNKNOWN)]
)
def test_a_tag_is_known_wherever_the_field_names_it_and_another_or_a_malformed_one_is_not(field: str, known: bool):
    assert is_known(ETAG, field) == known


@pytest.mark.parametrize("field", ['"a",' * 20_000 + "x", ", " * 40_000 + "x", '"' * 80_000, ("W/" * 40_000)])
def test_a_long_field_takes_time_in_proportion(field: str):
    begun = time.perf_counter()

    assert not is_known(ETAG, field)
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("query", ["", EVERYTHING])
def test_an_unchanged_job_is_a_304(api: Api, status: Status, query: str):
    job = make_job(project=api.project, status=status)
    first = api.get(f"/jobs/{job.pk}?{query}")

    again = poll(api, job, first["ETag"], query)

    assert first.status_code == 200
    assert first["ETag"] == etag_of(first.content)
    assert (again.status_code, again.content) == (304, b"")
    assert not {"Content-Type", "Content-Length"} & set(again.headers)
    for name in ("ETag", "Cache-Control", "Retry-After"):
        assert again.headers.get(name) == first.headers.get(name), name
    assert again["X-Request-Id"]
    assert again["Cache-Control"] == "private, no-cache"


def test_head_has_the_same_etag_and_a_changed_job_another(api: Api):
    job = make_job(project=api.project)
    etag = api.get(f"/jobs/{job.pk}")["ETag"]

    head = api.call("HEAD", f"/jobs/{job.pk}")
    known = api.call("HEAD", f"/jobs/{job.pk}", headers={"If-None-Match": "*"})
    api.delete(f"/jobs/{job.pk}")
    changed = poll(api, job, etag)

    assert (head.status_code, head["ETag"], known.status_code, changed.status_code) == (200, etag, 304, 200)
    assert changed.json()["data"]["status"] == "cancelled"
    assert changed["ETag"] != etag


def test_a_change_of_an_included_member_changes_the_etag_with_it_only(api: Api):
    job = make_job(project=api.project, status=Status.RUNNING)
    bare, with_progress = api.get(f"/jobs/{job.pk}")["ETag"], api.get(f"/jobs/{job.pk}?include=progress")["ETag"]
    Job.objects.filter(pk=job.pk).update(progress_done=1)

    assert bare != with_progress
    assert poll(api, job, bare).status_code == 304
    assert poll(api, job, with_progress, "include=progress").status_code == 200


def test_a_worker_s_heartbeat_does_not_change_the_etag(api: Api):
    job = make_job(project=api.project)
    _, now = get_job_and_time(job.pk, project=api.project)
    Worker.objects.create(name="host:1:aaaa", started_at=LONG_AGO, beat_at=now - timedelta(seconds=9))
    etag = api.get(f"/jobs/{job.pk}?{EVERYTHING}")["ETag"]
    Worker.objects.update(beat_at=now)

    assert poll(api, job, etag, EVERYTHING).status_code == 304


def test_the_key_and_the_job_are_checked_before_the_etag(api: Api):
    job = make_job(project=api.project)
    foreign = make_job()

    assert poll(api, foreign, "*").status_code == 404
    assert poll(api, job, "*", "include=nonsense").status_code == 400
    api.secret = make_key(organization=api.project.organization, scopes=["cancel"]).secret
    assert poll(api, job, "*").status_code == 403
    revoke_api_key(api.secret[:12])
    assert poll(api, job, "*").status_code == 401


@pytest.mark.parametrize("status", list(Status))
def test_retry_after_is_3_for_a_running_job_60_for_a_held_one_and_absent_after_the_end(api: Api, status: Status):
    held_at = LONG_AGO if status is Status.SCHEDULED else None
    job = make_job(project=api.project, status=status, held_at=held_at)

    seconds = {Status.RUNNING: "3", Status.SCHEDULED: "60"}.get(status)
    assert api.get(f"/jobs/{job.pk}").headers.get("Retry-After") == seconds


@pytest.mark.parametrize(("wait", "hint"), [(-60, 3), (1, 3), (30, 30), (59.5, 60), (61, 60), (10**8, 60)])
def test_retry_after_of_a_waiting_job_is_when_it_is_due_from_3_to_60_seconds(api: Api, wait: float, hint: int):
    job = make_job(project=api.project)
    _, now = get_job_and_time(job.pk, project=api.project)
    Job.objects.filter(pk=job.pk).update(due_at=now + timedelta(seconds=wait))

    seconds = int(api.get(f"/jobs/{job.pk}")["Retry-After"])

    assert hint - 5 <= seconds <= hint
    assert seconds >= 3


def test_other_endpoints_ignore_if_none_match_and_have_no_retry_after(api: Api):
    job = make_job(project=api.project)
    further = {"headers": {"If-None-Match": "*"}}

    created = api.post("/jobs", {"action": "delete_user_data", "referenceId": "shekar@example.com"}, **further)
    listed, cancelled = api.get("/jobs", **further), api.delete(f"/jobs/{job.pk}", **further)

    assert [answer.status_code for answer in (created, listed, cancelled)] == [201, 200, 200]
    assert not any(answer.has_header("Retry-After") for answer in (created, listed, cancelled))
    assert JobEvent.objects.filter(job=job, what="cancelled").exists()
