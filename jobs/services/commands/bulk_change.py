"""Bulk changes: staff cancel, retry or run now all jobs that match a filter, by a job of the action ``change_jobs``."""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self, cast

from django.core.signing import Signer
from django.db.models import Manager, Model

from ... import conf
from ...actors import Actor
from ...models import ApiKey, Job, Organization
from ...status import Status
from ..search.facets import MOST_COUNTED
from ..search.planner import index_scans_only
from ..search.staff_filter import JobFilter
from ..search.staff_search import search_jobs
from ..tenants.projects import get_project_model
from ..validation import check_reason
from .schedule import schedule_job

ACTION: Final = "change_jobs"
STAFF: Final = "Staff"
SAMPLES: Final = 10


class Change(StrEnum):
    """The intervention in each of the jobs."""

    CANCEL = "cancel"
    RETRY = "retry"
    RUN = "run"


CHANGEABLE: Final = {
    Change.CANCEL: (Status.SCHEDULED, Status.RUNNING),
    Change.RETRY: (Status.FAILED,),
    Change.RUN: (Status.SCHEDULED,),
}
DESCRIPTIONS: Final = {
    Change.CANCEL: "Cancel jobs chosen by staff",
    Change.RETRY: "Retry jobs chosen by staff",
    Change.RUN: "Run jobs chosen by staff now",
}


@dataclass(frozen=True, kw_only=True)
class BulkChange:
    """What a member of staff has confirmed."""

    change: Change
    # Its times are instants, so that it matches tomorrow what it matches today.
    wanted: JobFilter
    # The newest job when the preview was shown; no later one is changed.
    highest_id: int
    reason: str
    # The primary key of the user, and the request in which the change was confirmed.
    staff: str
    request_id: str

    def as_parameters(self) -> dict[str, Any]:
        """Return the parameters of the job ``change_jobs``, as JSON holds them."""
        return {**asdict(self), "change": self.change.value, "wanted": self.wanted.as_json()}

    @classmethod
    def from_parameters(cls, stored: dict[str, Any]) -> Self:
        """Return the bulk change that :meth:`as_parameters` stored."""
        return cls(**{**stored, "change": Change(stored["change"]), "wanted": JobFilter.from_json(stored["wanted"])})

    @property
    def actor(self) -> Actor:
        """Who changes the jobs: the member of staff who confirmed it."""
        return Actor(kind="staff", name=self.staff, request_id=self.request_id)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """How many jobs would be changed, and the ids of some; ``at_least``: there may be more."""

    count: int
    at_least: bool
    samples: list[int]


def filters_by_status(change: Change, wanted: JobFilter) -> list[JobFilter]:
    """Return a filter for each status in which the change is possible; together they match all jobs to be changed."""
    return [replace(wanted, status=status.value) for status in CHANGEABLE[change] if wanted.status in (None, status)]


def preview_change(change: Change, wanted: JobFilter) -> Preview:
    """Count the jobs that would be changed, up to ``MOST_COUNTED`` in each status."""
    count, at_least, samples = 0, False, list[int]()
    for part in filters_by_status(change, wanted):
        result = search_jobs(part)
        with index_scans_only():
            seen = result.jobs[: MOST_COUNTED + 1].count()
            samples += result.jobs.values_list("pk", flat=True)[:SAMPLES]
        count += min(seen, MOST_COUNTED)
        at_least |= seen > MOST_COUNTED or result.window is not None
    return Preview(count=count, at_least=at_least, samples=samples[:SAMPLES])


def newest_job_id() -> int:
    """Return the id of the newest job; 0: there is none."""
    return Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def request_change(bulk_change: BulkChange, *, project: Model) -> Job:
    """Create the job ``change_jobs`` that runs the bulk change; ``project`` is :func:`staff_project`.

    Raises:
        InvalidField: the reason is blank though not empty, too long or has control characters.
        Busy, ConcurrentChange, OutcomeUnknown: as in ``schedule_job``.
    """
    check_reason(bulk_change.reason)
    parameters = bulk_change.as_parameters()
    return schedule_job(
        ACTION,
        project=project,
        reference_id=bulk_change.change.value,
        description=DESCRIPTIONS[bulk_change.change],
        parameters={**parameters, "seal": seal_of(parameters)},
        actor=bulk_change.actor,
    )


def seal_of(parameters: dict[str, Any]) -> str:
    """Return the signature that only :func:`request_change` adds to parameters.

    Without it, users who may add jobs of any action could cancel all jobs, and in the name of other staff.
    """
    return Signer(salt="jobs.change_jobs").signature(json.dumps(parameters, sort_keys=True))


def can_have_staff_project() -> bool:
    """Whether :func:`staff_project` has a project to return."""
    key = conf.current().staff_project
    if key is not None:
        return _projects().filter(key=key).exists()
    # An organization of that name with API keys is a customer's, who could then see and cancel these jobs.
    has_own_model = conf.project_model_label() == conf.DEFAULT_PROJECT_MODEL
    return has_own_model and not ApiKey.objects.filter(organization__name=STAFF).exists()


def staff_project() -> Model | None:
    """Return the project of bulk changes, made on first use in hosts without a project model of their own.

    None: ``JOBS["STAFF_PROJECT"]`` names none.
    """
    if not can_have_staff_project():
        return None
    key = conf.current().staff_project
    if key is not None:
        return _projects().filter(key=key).first()
    owner, _ = Organization.objects.get_or_create(name=STAFF)
    return cast("Model", _projects().get_or_create(organization=owner, name=STAFF)[0])


def _projects() -> Manager[Any]:
    return get_project_model()._default_manager
