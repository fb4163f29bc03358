"""What no worker may claim for the time being."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from django.db import connections, models, router
from django.db.models import BooleanField, Case, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull
from django.utils.translation import gettext_lazy as _

from .. import conf
from .job import Job, JobQuerySet
from .project import Organization


@dataclass(frozen=True, kw_only=True)
class Paused:
    """All that is held back now, as the queries of one claim need it; projects are named by primary key."""

    everything: bool
    actions: tuple[str, ...]
    projects: tuple[Any, ...]
    # Of an action and a project: paused together only.
    pairs: tuple[tuple[str, Any], ...]
    # Whether some organization is disabled. Which ones, the queries look up: there may be as many as ever left.
    disabled: bool

    @property
    def has_any(self) -> bool:
        """Whether there is a pause or a disabled organization at all."""
        return self.everything or self.disabled or bool(self.actions or self.projects or self.pairs)

    def leave_out(self, jobs: JobQuerySet) -> JobQuerySet:
        """Return those of ``jobs`` that no pause covers, of organizations that are not disabled."""
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
    """Say of a job whether its organization is disabled, by two look-ups by primary key.

    Neither a join nor EXISTS. Where most organizations are disabled, PostgreSQL would take
    most jobs of a join for held, and read and sort all that are due; for an EXISTS it
    would first read all disabled organizations.
    """
    projects: Any = Job._meta.get_field("project").related_model
    since = projects._base_manager.filter(pk=OuterRef("project_id")).values("organization__disabled_at")
    return Case(When(IsNull(Subquery(since), False), then=Value(True)), default=Value(False))


def _constant(value: bool | None) -> Value:
    """A column of a union; NULL takes the type of the columns above it."""
    return Value(value, output_field=BooleanField())


class PauseManager(models.Manager["Pause"]):
    """Reads where it writes, as jobs do: a lagging replica would let a claim pass."""

    def get_queryset(self) -> models.QuerySet["Pause"]:
        """Return all pauses, in the database that they are written to."""
        return models.QuerySet(self.model, using=self._db or router.db_for_write(self.model))

    def in_force(self) -> Paused:
        """Return what is held back now, in one query of a table with a few rows and an index with as few."""
        rows = self._rows()
        pairs = [(action, project) for action, project, disabled in rows if not disabled]
        return Paused(
            everything=(None, None) in pairs,
            actions=tuple(action for action, project in pairs if action is not None and project is None),
            projects=tuple(project for action, project in pairs if action is None and project is not None),
            pairs=tuple((action, project) for action, project in pairs if action is not None and project is not None),
            disabled=any(disabled for _, _, disabled in rows),
        )

    def _rows(self) -> list[tuple[str | None, Any, bool]]:
        """Ask with a statement that is compiled once: every claim asks, and that takes longer than the answer."""
        connection = connections[router.db_for_write(self.model)]
        with connection.cursor() as cursor:
            cursor.execute(*_compiled(connection.alias))
            rows = cursor.fetchall()
        convert = self.model._meta.get_field("project").target_field.to_python
        return [(action, convert(project), bool(disabled)) for action, project, disabled in rows]

    def _disabled(self) -> QuerySet[Any, Any]:
        """A row for a union with pauses, if some organization is disabled: the first, as there may be many."""
        organizations = Organization.objects.using(self.db)
        first = organizations.filter(disabled_at__isnull=False).order_by("pk").values("pk")[:1]
        return (
            organizations.filter(pk=Subquery(first))
            .order_by()
            .values_list(_constant(None), _constant(None), _constant(True))
        )


@lru_cache(maxsize=8)
def _compiled(alias: str) -> tuple[str, tuple[Any, ...]]:
    pauses: Any = Pause.objects
    rows = pauses.order_by().values_list("action", "project_id", _constant(False)).union(pauses._disabled())
    # Django 6.1 would sort the union by the model's own order, of which it has no column.
    sql, params = rows.order_by().query.get_compiler(using=alias).as_sql()
    return sql, tuple(params)


class Pause(models.Model):
    """Jobs of an action, of a project, of both together or all of them: none is claimed while this row is there."""

    # Null: every action.
    action = models.CharField(max_length=100, null=True)  # noqa: DJ001 – null is "all", as with the project
    # Null: every project.
    project = models.ForeignKey(conf.project_model_label(), null=True, on_delete=models.CASCADE, related_name="+")
    # A sentence for colleagues; the latest, if it was paused more than once.
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
            # Two, as nulls do not collide: within a project, and over all of them.
            models.UniqueConstraint("project", Coalesce("action", Value("")), name="jobs_pause_once_in_project"),
            models.UniqueConstraint(
                Coalesce("action", Value("")), condition=Q(project__isnull=True), name="jobs_pause_once_everywhere"
            ),
        ]

    def __str__(self) -> str:
        return f"pause {self.pk}"


def is_paused(job_id: int) -> bool:
    """Whether a pause covers the job, or its organization is disabled: whoever is told of it must let it wait."""
    paused = Pause.objects.in_force()
    return paused.has_any and paused.keep(Job.objects.filter(pk=job_id)).exists()
