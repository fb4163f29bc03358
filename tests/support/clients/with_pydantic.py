"""With the models of datamodel-code-generator."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from models import (
    ApiError,
    AttemptOutcome,
    EventKind,
    JobAnswer,
    JobDetails,
    JobDetailsAnswer,
    JobList,
    JobStatus,
    KeyAnswer,
    NewJobRequest,
    NewJobsRequest,
    WaitReason,
)
from pydantic import BaseModel

address, project, secret, reader_secret, ended_id, errors = sys.argv[1:]
IN_2100 = 4_102_444_800_000


def ask(method: str, path: str, body: BaseModel | None = None, key: str = secret) -> Any:
    data = None if body is None else body.model_dump_json(by_alias=True, exclude_none=True).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        with urlopen(Request(f"{address}{path}", data=data, headers=headers, method=method)) as answer:
            return json.load(answer)
    except HTTPError as error:
        with error:
            return json.load(error)


def refused(answer: Any, code: str) -> ApiError:
    error = ApiError.model_validate(answer)
    assert error.code == code, error
    return error


def new_job(reference: str) -> NewJobRequest:
    return NewJobRequest.model_validate({"action": "delete_user_data", "referenceId": reference, "startAt": IN_2100})


jobs = f"/{project}/jobs"
assert KeyAnswer.model_validate(ask("GET", "/me")).data.scopes
job = JobAnswer.model_validate(ask("POST", jobs, new_job("ana@example.com"))).data
assert (job.status, job.start_at) == (JobStatus.scheduled, IN_2100)
there = refused(ask("POST", jobs, new_job("ana@example.com")), "active_job_exists")
assert there.details is not None
assert there.details.job is not None
assert there.details.job.job_id == job.job_id
same = JobAnswer.model_validate(ask("POST", f"{jobs}?ifExists=return", new_job("ana@example.com")))
assert same.data.job_id == job.job_id
batch = NewJobsRequest(jobs=[new_job("c@example.com"), new_job("d@example.com")])
assert len(JobList.model_validate(ask("POST", f"{jobs}/batch", batch)).data) == 2
twice = refused(ask("POST", f"{jobs}/batch", batch), "batch_conflict")
assert twice.details is not None
assert twice.details.conflicts is not None
assert len(twice.details.conflicts) == 2
assert JobList.model_validate(ask("GET", f"{jobs}?status=scheduled&cursor=")).data


def show(number: object, *include: str) -> JobDetails:
    query = "&".join(f"include={one}" for one in include)
    return JobDetailsAnswer.model_validate(ask("GET", f"{jobs}/{number}?{query}")).data


members = ("progress", "receipt", "events", "attempts")
for one in members:
    assert getattr(show(job.job_id, one), one) is not None
waiting = show(job.job_id, *members)
assert waiting.progress is not None
assert waiting.progress.waiting_for is not None
assert waiting.progress.waiting_for.what == WaitReason.start_time
ended = show(ended_id, *members)
assert ended.attempts is not None
assert ended.events is not None
assert [attempt.outcome for attempt in ended.attempts] == [AttemptOutcome.completed]
assert ended.events[-1].what == EventKind.completed
cancelled = JobAnswer.model_validate(ask("DELETE", f"{jobs}/{job.job_id}?reason=A%20mistake."))
assert cancelled.data.status == JobStatus.cancelled
refused(ask("DELETE", f"{jobs}/{job.job_id}"), "transition_refused")
JobAnswer.model_validate(ask("DELETE", f"/{project}/users/erased%40example.com"))
refused(ask("GET", f"{jobs}/abc"), "invalid_field")
refused(ask("GET", f"{jobs}/0"), "job_not_found")
refused(ask("GET", "/nowhere/jobs"), "project_not_found")
refused(ask("GET", "/me", key="jsk_wrong"), "unauthorized")
refused(ask("POST", jobs, new_job("e@example.com"), key=reader_secret), "missing_scope")
for example in json.loads(Path(errors).read_text()):
    assert ApiError.model_validate(example).model_dump(mode="json", by_alias=True, exclude_unset=True) == example
