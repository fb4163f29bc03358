"""With a client of openapi-python-client."""

import json
import sys
from pathlib import Path
from uuid import uuid4

from jobs_client import AuthenticatedClient
from jobs_client.api.jobs import cancel_job, create_job, create_jobs, get_job, list_jobs
from jobs_client.api.keys import get_key
from jobs_client.api.users import erase_user
from jobs_client.models import (
    ApiError,
    AttemptOutcome,
    CreateJobIfExists,
    ErrorDetails,
    EventKind,
    GetJobIncludeItem,
    JobAnswer,
    JobDetails,
    JobDetailsAnswer,
    JobList,
    JobProgress,
    JobReceipt,
    JobStatus,
    JobWait,
    KeyAnswer,
    KeyScope,
    ListJobsStatusItem,
    NewJobRequest,
    NewJobRequestAction,
    NewJobsRequest,
    WaitReason,
)
from jobs_client.types import Unset

address, project, secret, reader_secret, ended_id, errors = sys.argv[1:]
client = AuthenticatedClient(base_url=address, token=secret)
reader = AuthenticatedClient(base_url=address, token=reader_secret)
stranger = AuthenticatedClient(base_url=address, token="jsk_wrong")
IN_2100 = 4_102_444_800_000
ERASE = NewJobRequestAction.DELETE_USER_DATA


def new_job(reference: str) -> NewJobRequest:
    return NewJobRequest(action=ERASE, reference_id=reference, start_at=IN_2100)


def refused(answer: object, code: str) -> ApiError:
    assert isinstance(answer, ApiError), answer
    assert answer.code == code
    assert answer.docs.endswith(f"#error-{code}")
    return answer


def details(error: ApiError) -> ErrorDetails:
    assert not isinstance(error.details, Unset)
    return error.details


key = get_key.sync(client=client)
assert isinstance(key, KeyAnswer)
assert KeyScope.CANCEL in key.data.scopes

once = str(uuid4())
created = create_job.sync(project, client=client, body=new_job("ana@example.com"), idempotency_key=once)
assert isinstance(created, JobAnswer), created
job_id = created.data.job_id
again = create_job.sync_detailed(project, client=client, body=new_job("ana@example.com"), idempotency_key=once)
assert again.headers["Idempotent-Replayed"] == "true"
refused(
    create_job.sync(project, client=client, body=new_job("b@example.com"), idempotency_key=once),
    "idempotency_key_reused",
)

there = refused(create_job.sync(project, client=client, body=new_job("ana@example.com")), "active_job_exists")
active = details(there).job
assert not isinstance(active, Unset)
assert active.job_id == job_id
same = create_job.sync(project, client=client, body=new_job("ana@example.com"), if_exists=CreateJobIfExists.RETURN)
assert isinstance(same, JobAnswer)
assert same.data.job_id == job_id

many = create_jobs.sync(
    project, client=client, body=NewJobsRequest(jobs=[new_job("c@example.com"), new_job("d@example.com")])
)
assert isinstance(many, JobList)
twice = refused(
    create_jobs.sync(
        project,
        client=client,
        body=NewJobsRequest(jobs=[new_job("ana@example.com"), new_job("e@example.com"), new_job("e@example.com")]),
    ),
    "batch_conflict",
)
conflicts = details(twice).conflicts
assert not isinstance(conflicts, Unset)
assert next(one for one in conflicts if one.index == 0).job_id == job_id

listed = list_jobs.sync(project, client=client, limit=5, status=[ListJobsStatusItem.SCHEDULED])
assert isinstance(listed, JobList), listed
assert job_id in [job.job_id for job in listed.data]


def show(number: int, include: list[GetJobIncludeItem]) -> JobDetails:
    answer = get_job.sync(project, number, client=client, include=include)
    assert isinstance(answer, JobDetailsAnswer), answer
    return answer.data


for one in GetJobIncludeItem:
    assert show(job_id, [one]).to_dict()[one.value] is not None
waiting = show(job_id, list(GetJobIncludeItem))
assert isinstance(waiting.progress, JobProgress)
assert isinstance(waiting.progress.waiting_for, JobWait)
assert waiting.progress.waiting_for.what == WaitReason.STARTTIME
assert waiting.progress.waiting_for.until == IN_2100
ended = show(int(ended_id), list(GetJobIncludeItem))
assert not isinstance(ended.attempts, Unset)
assert not isinstance(ended.events, Unset)
assert isinstance(ended.receipt, JobReceipt)
assert [attempt.outcome for attempt in ended.attempts] == [AttemptOutcome.COMPLETED]
assert [event.what for event in ended.events][-1] == EventKind.COMPLETED
assert ended.events[0].from_ is None

cancelled = cancel_job.sync(project, job_id, client=client, reason="Asked for by mistake.")
assert isinstance(cancelled, JobAnswer), cancelled
assert cancelled.data.status == JobStatus.CANCELLED
refused(cancel_job.sync(project, job_id, client=client), "transition_refused")
erased = erase_user.sync(project, "erased@example.com", client=client)
assert isinstance(erased, JobAnswer), erased

refused(get_job.sync(project, 0, client=client), "job_not_found")
refused(get_key.sync(client=stranger), "unauthorized")
refused(create_job.sync(project, client=reader, body=new_job("f@example.com")), "missing_scope")
refused(list_jobs.sync("nowhere", client=client), "project_not_found")
wrong = refused(
    create_job.sync(project, client=client, body=NewJobRequest(action=ERASE, reference_id=" ")), "invalid_field"
)
assert details(wrong).field == "referenceId"
for example in json.loads(Path(errors).read_text()):
    assert ApiError.from_dict(example).to_dict() == example
