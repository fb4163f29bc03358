"""Pauses: which actions and projects no job is claimed of for the time being."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

from django.db import models, router
from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..db.statements import Statement
from .job import Job, JobQuerySet
from .project import Organization


@dataclass(frozen=True, kw_only=True)
class Paused:
    """All pauses in force and whether organizations are disabled, for the queries of one claim."""

    everything: bool
    actions: tuple[str, ...]
    # Primary keys.
    projects: tuple[Any, ...]
    # An action that is paused in a project only.
    pairs: tuple[tuple[str, Any], ...]
    # Whether any organization is disabled. The queries find which ones, as there may be very many.
    disabled: bool

    @property
    def has_any(self) -> bool:
        """Whether there is a pause or a disabled organization at all."""
        return self.everything or self.disabled or bool(self.actions or self.projects or self.pairs)

    def leave_out(self, jobs: JobQuerySet) -> JobQuerySet:
        """Return those of ``jobs`` that no pause covers and whose organization is not disabled."""
        if self.everything:
            return jobs.none()
        covered = self._covered()
        return jobs.exclude(covered) if covered else jobs

    def keep(self, jobs: JobQuerySet) -> JobQuerySet:
        """Return those of ``jobs`` that a pause covers, or whose organization is disabled."""
        if self.everything:
            return jobs
        covered = self._covered()
        return jobs.filter(covered) if covered else jobs.none()

    def _covered(self) -> Q:
        covered = Q()
        if self.actions:
            covered |= Q(action__in=self.actions)
        if self.projects:
            covered |= Q(project__in=self.projects)
        for action, project in self.pairs:
            covered |= Q(action=action, project=project)
        if self.disabled:
            covered |= Q(_organization_is_disabled())
        return covered


def _organization_is_disabled() -> Case:
    """Return an expression that says of a job whether its organization is disabled, by two primary keys.

    It is neither a join nor EXISTS. Where most organizations are disabled, PostgreSQL
    expects a join to leave few jobs, and reads and sorts all that are due; for an EXISTS
    it reads all disabled organizations first.
    """
    projects: Any = Job._meta.get_field("project").related_model
    since = projects._base_manager.filter(pk=OuterRef("project_id")).values("organization__disabled_at")
    return Case(When(IsNull(Subquery(since), False), then=Value(True)), default=Value(False))


def _constant(value: bool | None) -> Value:
    """Return a column of a union; a NULL takes the type of the columns above it."""
    return Value(value, output_field=BooleanField())


class PauseManager(models.Manager["Pause"]):
    """Reads from the database that pauses are written to: from a lagging replica, paused jobs would be claimed."""

    def get_queryset(self) -> models.QuerySet["Pause"]:
        return models.QuerySet(self.model, using=self._db or router.db_for_write(self.model))

    def in_force(self) -> Paused:
        """Return what is paused now, with one query of few rows."""
        rows = IN_FORCE.run()  # every claim reads them
        pairs = [(action, project) for action, project, disabled in rows if not disabled]
        return Paused(
            everything=(None, None) in pairs,
            actions=tuple(action for action, project in pairs if action is not None and project is None),
            projects=tuple(project for action, project in pairs if action is None and project is not None),
            pairs=tuple((action, project) for action, project in pairs if action is not None and project is not None),
            disabled=any(disabled for _, _, disabled in rows),
        )

    def _disabled(self) -> QuerySet[Any, Any]:
        """Return one row for a union with pauses if any organization is disabled."""
        organizations = Organization.objects.using(self.db)
        first = organizations.filter(disabled_at__isnull=False).order_by("pk").values("pk")[:1]
        return (
            organizations.filter(pk=Subquery(first))
            .order_by()
            .values_list(_constant(None), _constant(None), _constant(True))
        )


def _in_force() -> QuerySet[Any, Any]:
    pauses: Any = Pause.objects
    rows = pauses.order_by().values_list("action", "project_id", _constant(False)).union(pauses._disabled())
    # Django 6.1 would sort the union by the model's ordering, whose column it does not have.
    return cast("QuerySet[Any, Any]", rows.order_by())


IN_FORCE: Final[Statement[Any]] = Statement(_in_force)


class Pause(models.Model):
    """While this row exists, no job is claimed of an action, of a project, of an action in a project, or at all."""

    # Null: every action.
    action = models.CharField(max_length=100, null=True)  # noqa: DJ001 – null is "all", as with the project
    # Null: every project.
    project = models.ForeignKey(conf.project_model_label(), null=True, on_delete=models.CASCADE, related_name="+")
    # A sentence for colleagues; the last one, if it was paused several times.
    reason = models.TextField()
    created_at = models.DateTimeField()
    # str(Actor) of who gave the reason.
    created_by = models.CharField(max_length=220)

    objects = PauseManager()

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            # Two, as nulls do not collide: in one project, and in all projects.
            models.UniqueConstraint("project", Coalesce("action", Value("")), name="jobs_pause_once_in_project"),
            models.UniqueConstraint(
                Coalesce("action", Value("")), condition=Q(project__isnull=True), name="jobs_pause_once_everywhere"
            ),
        ]

    def __str__(self) -> str:
        return f"pause {self.pk}"


def unpaused(jobs: JobQuerySet) -> JobQuerySet:
    """Do what ``Paused.leave_out`` does in the statement itself; for a few rows, as it asks for each of them."""
    pauses: Any = Pause.objects
    here = Q(project=None) | Q(project=OuterRef("project"))
    covering = pauses.filter(Q(action=None) | Q(action=OuterRef("action")), here)
    return jobs.exclude(Exists(covering) | Q(_organization_is_disabled()))


def is_paused(job_id: int) -> bool:
    """Whether a pause covers the job or its organization is disabled, so that it must wait."""
    paused = Pause.objects.in_force()
    return paused.has_any and paused.keep(Job.objects.filter(pk=job_id)).exists()
