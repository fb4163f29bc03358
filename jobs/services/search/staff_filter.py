"""Which jobs staff look for; :mod:`jobs.services.search.staff_search` finds them at any number of jobs."""

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, Self

from django.db.models import Q

from ...models import BIGGEST_ID, Job
from ...status import Status

INSTANTS: Final = ("created_from", "started_from", "due_until")


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """All that is asked of a job; each default asks for nothing. Instants are aware."""

    status: str | None = None
    action: str | None = None
    # The primary key of the project.
    project: Any = None
    created_from: datetime | None = None
    # Of the first claim.
    started_from: datetime | None = None
    # Claimed at least twice.
    retried: bool = False
    # Waits, is not held, and has been due since then or longer.
    due_until: datetime | None = None
    # An id, or a reference exactly as it was sent; spaces around may come from pasting.
    search: str = ""
    # For the reference of this job, whatever it is, over all projects: so that no address need carry it.
    same_as: int | None = None
    # Something was asked for that no job can have.
    nothing: bool = False

    @property
    def asked(self) -> frozenset[str]:
        """The names of the fields that ask for something."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) != field.default)

    def conditions(self, *names: str) -> Q:
        """Return what these fields ask of a job's own columns; search and ``same_as`` are none."""
        asks = {
            "status": Q(status=self.status),
            "action": Q(action=self.action),
            "project": Q(project=self.project),
            "created_from": Q(created_at__gte=self.created_from),
            "started_from": Q(started_at__gte=self.started_from),
            "retried": Q(attempt__gte=2),
            "due_until": Q(status=Status.SCHEDULED, held_at=None, due_at__lte=self.due_until),
        }
        return Q(*(asks[name] for name in asks if name in names))

    def without_reference(self) -> Self:
        """Return a filter that may be stored: whoever is searched for is named by a job of theirs.

        A text that is an id and a reference as well is taken for the reference.
        """
        if not self.search:
            return self
        for reference in references_in(self.search):
            known = Job.objects.filter(reference_id__gte=reference, reference_id__lte=reference)
            job_id = known.order_by("-reference_id", "-pk").values_list("pk", flat=True).first()
            if job_id is not None:
                return replace(self, search="", same_as=job_id)
        named = parse_id(self.search)
        return replace(self, search="", nothing=True) if named is None else replace(self, search=str(named))

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold of it, and :meth:`from_json` makes it of again; empty: all jobs."""
        asked = {name: value for name, value in asdict(self).items() if name in self.asked}
        for name in asked.keys() & set(INSTANTS):
            asked[name] = asked[name].isoformat()
        if "project" in asked:
            asked["project"] = str(asked["project"])
        return asked

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return the filter of which :meth:`as_json` made ``stored``.

        Raises:
            TypeError, ValueError, ValidationError: it is not of such a form.
        """
        given = dict(stored)
        for name in given.keys() & set(INSTANTS):
            given[name] = datetime.fromisoformat(given[name])
        if "project" in given:
            given["project"] = project_key(given["project"])
        return cls(**given)


def project_key(text: str) -> Any:
    """Return the primary key of a project as its model has it.

    Raises:
        ValidationError: it can have no such key.
    """
    return Job._meta.get_field("project").target_field.to_python(text)


def parse_id(text: str) -> int | None:
    """Return the id that ``text`` is, spaces around aside, or None if no row of ours can have it."""
    digits = text.strip()
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 19 else 0
    return number if 0 < number <= BIGGEST_ID else None


def references_in(text: str) -> list[str]:
    """Return the references that a search may mean: as typed and, where that differs, without spaces around."""
    if "\0" in text:  # no text of PostgreSQL has one
        return []
    return [reference for reference in dict.fromkeys((text, text.strip())) if reference]
