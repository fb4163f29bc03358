"""The filter of staff's searches over all projects; :mod:`.staff_search` finds the jobs that match."""

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, Self

from django.db.models import F, Q

from ...models import BIGGEST_ID, Job
from ...status import Status

INSTANTS: Final = ("created_from", "started_from", "due_until")


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """What a job must match; a field at its default is off. Instants are aware."""

    status: str | None = None
    action: str | None = None
    # The primary key of the project.
    project: Any = None
    created_from: datetime | None = None
    # Of the first claim.
    started_from: datetime | None = None
    # Claimed at least twice.
    retried: bool = False
    # Waits, is not held, and was due at this instant or before.
    due_until: datetime | None = None
    # An id, or a reference exactly as it was sent; spaces around it may come from pasting.
    search: str = ""
    # ``search`` is an id only: for staff who may not find out whether there is a reference.
    search_by_id: bool = False
    # The id of a job: its reference, over all projects. So no URL need hold a reference.
    same_as: int | None = None
    # No job can match.
    nothing: bool = False

    @property
    def given(self) -> frozenset[str]:
        """The names of the fields that are on."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) != field.default)

    @property
    def references(self) -> list[str]:
        """What ``search`` may mean beside an id."""
        return [] if self.search_by_id else references_in(self.search)

    def conditions(self, *names: str) -> Q:
        """Return the conditions of these fields on a job's own columns; ``search`` and ``same_as`` have none."""
        conditions = {
            "status": Q(status=self.status),
            "action": Q(action=self.action),
            "project": Q(project=self.project),
            "created_from": Q(created_at__gte=self.created_from),
            "started_from": Q(started_at__gte=self.started_from),
            "retried": Q(attempt__gte=2),
            "due_until": Q(status=Status.SCHEDULED, held_at=None, due_at__lte=self.due_until),
        }
        return Q(*(conditions[name] for name in conditions if name in names))

    def without_reference(self) -> Self:
        """Return a filter that may be stored: a job with the reference stands for it.

        A text that is an id and a reference as well is taken for the reference.
        """
        if not self.search:
            return self
        for reference in self.references:
            # An order that no index has: for its own, the planner might read all jobs.
            known = Job.objects.filter(reference_id=reference).order_by((F("pk") + 0).desc())
            newest = known.values_list("pk", flat=True).first()
            if newest is not None:
                return replace(self, search="", same_as=newest)
        job_id = parse_id(self.search)
        return replace(self, search="", nothing=True) if job_id is None else replace(self, search=str(job_id))

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are on, as JSON holds them; empty: all jobs. :meth:`from_json` reads it."""
        stored = {name: value for name, value in asdict(self).items() if name in self.given}
        for name in stored.keys() & set(INSTANTS):
            stored[name] = stored[name].isoformat()
        if "project" in stored:
            stored["project"] = str(stored["project"])
        return stored

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return the filter that :meth:`as_json` stored.

        Raises:
            TypeError, ValueError, ValidationError: ``stored`` has another form.
        """
        values = dict(stored)
        for name in values.keys() & set(INSTANTS):
            values[name] = datetime.fromisoformat(values[name])
        if "project" in values:
            values["project"] = project_key(values["project"])
        return cls(**values)


def project_key(text: str) -> Any:
    """Return the primary key of a project as its model has it.

    Raises:
        ValidationError: no project can have this key.
    """
    return Job._meta.get_field("project").target_field.to_python(text)


def parse_id(text: str) -> int | None:
    """Return the id in ``text``, without spaces around it, or None if no row can have it."""
    digits = text.strip()
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 19 else 0
    return number if 0 < number <= BIGGEST_ID else None


def references_in(text: str) -> list[str]:
    """Return the references that a search may mean: as typed and, if that differs, without spaces around it."""
    if "\0" in text:  # no text of PostgreSQL has one
        return []
    return [reference for reference in dict.fromkeys((text, text.strip())) if reference]
