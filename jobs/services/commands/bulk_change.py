"""Change all jobs that match a filter: what staff ask for, how many that are, and the job that does it."""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self, cast

from django.core.signing import Signer
from django.db.models import Model

from ... import conf
from ...actors import Actor
from ...exceptions import ProjectNotFound
from ...models import ApiKey, Job, Organization
from ...status import Status
from ..search.facets import MOST_COUNTED
from ..search.planner import index_scans_only
from ..search.staff_filter import JobFilter
from ..search.staff_search import search_jobs
from ..tenants.projects import get_project_by_key, get_project_model
from ..validation import check_reason
from .schedule import schedule_job

ACTION: Final = "change_jobs"
STAFF: Final = "Staff"
SAMPLES: Final = 10


class Change(StrEnum):
    """What is done to each of the jobs."""

    CANCEL = "cancel"
    RETRY = "retry"
    RUN = "run"


FITTING: Final = {
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
    """What staff have confirmed; a filter of instants, so that it asks tomorrow for what it asks today."""

    change: Change
    wanted: JobFilter
    # The newest job there was when they were shown what would be done; no later one is touched.
    highest_id: int
    reason: str
    # The primary key of the user, and the request in which they confirmed it.
    staff: str
    request_id: str

    def as_parameters(self) -> dict[str, Any]:
        """Return the parameters of the job that carries it out, as JSON holds them."""
        return {**asdict(self), "change": self.change.value, "wanted": self.wanted.as_json()}

    @classmethod
    def from_parameters(cls, stored: dict[str, Any]) -> Self:
        """Return the order of which :meth:`as_parameters` made ``stored``."""
        given = {**stored, "change": Change(stored["change"]), "wanted": JobFilter.from_json(stored["wanted"])}
        return cls(**given)

    @property
    def actor(self) -> Actor:
        """Who changes the jobs: whoever has confirmed it."""
        return Actor(kind="staff", name=self.staff, request_id=self.request_id)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """How many jobs would be changed, or at least so many, and the ids of some."""

    count: int
    at_least: bool
    samples: list[int]


def targets(change: Change, wanted: JobFilter) -> list[JobFilter]:
    """Return the filters that, together, ask for those jobs that can be changed so; none if none can."""
    fitting = [status for status in FITTING[change] if wanted.status in (None, status)]
    return [replace(wanted, status=status.value) for status in fitting]


def preview_change(change: Change, wanted: JobFilter) -> Preview:
    """Look how many jobs there are to be changed; bounded like every count of staff's."""
    count, at_least, samples = 0, False, list[int]()
    for target in targets(change, wanted):
        look = search_jobs(target)
        with index_scans_only():
            seen = look.jobs[: MOST_COUNTED + 1].count()
            samples += look.jobs.values_list("pk", flat=True)[:SAMPLES]
        count += min(seen, MOST_COUNTED)
        at_least |= seen > MOST_COUNTED or look.window is not None
    return Preview(count=count, at_least=at_least, samples=samples[:SAMPLES])


def newest_job_id() -> int:
    """Return the id of the newest job; 0: there is none."""
    return Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def request_change(order: BulkChange, *, project: Model) -> Job:
    """Create the job of the action ``change_jobs`` that carries out ``order``; ``project`` is :func:`staff_project`.

    Raises:
        InvalidField: the reason is blank though not empty, too long or has control characters.
        Busy, ConcurrentChange, OutcomeUnknown: as in ``schedule_job``.
    """
    check_reason(order.reason)
    parameters = order.as_parameters()
    return schedule_job(
        ACTION,
        project=project,
        reference_id=order.change.value,
        description=DESCRIPTIONS[order.change],
        parameters={**parameters, "seal": seal_of(parameters)},
        actor=order.actor,
    )


def seal_of(parameters: dict[str, Any]) -> str:
    """Return what only :func:`request_change` can put beside parameters.

    Those who may add jobs of any action could otherwise have all jobs cancelled, and in the name of others.
    """
    return Signer(salt="jobs.change_jobs").signature(json.dumps(parameters, sort_keys=True))


def can_have_staff_project() -> bool:
    """Whether there is a project for staff's own jobs, or one would be made."""
    key = conf.current().staff_project
    if key is not None:
        return _find_by_key(key) is not None
    # An organization of that name which has keys is somebody's who would then see, and could cancel, these jobs.
    return _has_own_project_model() and not ApiKey.objects.filter(organization__name=STAFF).exists()


def staff_project() -> Model | None:
    """Return the project of staff's own jobs, made on first use in hosts without a project model of their own.

    None: ``JOBS["STAFF_PROJECT"]`` names none.
    """
    if not can_have_staff_project():
        return None
    key = conf.current().staff_project
    if key is not None:
        return _find_by_key(key)
    owner, _ = Organization.objects.get_or_create(name=STAFF)
    project, _ = cast("Any", get_project_model())._default_manager.get_or_create(organization=owner, name=STAFF)
    return cast("Model", project)


def _find_by_key(key: str) -> Model | None:
    try:
        return get_project_by_key(key)
    except ProjectNotFound:
        return None


def _has_own_project_model() -> bool:
    return conf.project_model_label() == conf.DEFAULT_PROJECT_MODEL
