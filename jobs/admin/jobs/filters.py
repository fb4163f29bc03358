"""The filters of the jobs list; each sets fields of a ``JobFilter``, by which the list searches."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ...actions import NAME, all_actions
from ...models import Job
from ...services.reports.health import Bounds
from ...services.search.staff_filter import parse_id, project_key
from ...services.tenants.projects import get_project_model
from ..base.buttons import RowField
from ..base.display import STATUS_WORDS

LATE_AFTER: Final = timedelta(seconds=Bounds.max_overdue)
SPANS: Final = {
    "1h": (timedelta(hours=1), _("last hour")),
    "24h": (timedelta(hours=24), _("last 24 hours")),
    "7d": (timedelta(days=7), _("last 7 days")),
    "30d": (timedelta(days=30), _("last 30 days")),
}

Fields = dict[str, Any]
NOTHING: Final[Fields] = {"nothing": True}


class CountedList(Protocol):
    """The part of the jobs list that filters read."""

    @property
    def counts(self) -> Mapping[tuple[str, Any], str]:
        """How many jobs a choice would show, by the filter's parameter and the choice's value."""


class JobListFilter(admin.SimpleListFilter):
    """A filter of the jobs list, which counts its choices up to a bound."""

    parameter_name: str
    options: Sequence[tuple[str, Any]] = ()
    """Values and titles, where they are the same for every request."""
    has_counts = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return self.options

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Return the fields of ``JobFilter`` that ``value`` sets; it comes from the URL and may be any text."""
        raise NotImplementedError  # each filter has its own

    def chosen_fields(self, now: datetime) -> Fields:
        value = self.value()
        return {} if value is None else self.fields_of(value, now)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave the rows as they are: the list searches once, by all filters together."""
        return queryset

    # Django's own method returns a queryset, of which Django reads only these keys.
    def get_facet_queryset(self, changelist: CountedList) -> dict[str, str]:  # type: ignore[override]
        """Return the count of each choice as a text, which can say "10,000+"."""
        return {
            f"{number}__c": changelist.counts[self.parameter_name, value]
            for number, (value, _) in enumerate(self.lookup_choices)
            if (self.parameter_name, value) in changelist.counts
        }


class StatusFilter(JobListFilter):
    """By status."""

    title = _("status")
    parameter_name = "status"
    options = tuple((status.value, words) for status, words in STATUS_WORDS.items())

    def fields_of(self, value: str, now: datetime) -> Fields:
        return {"status": value} if value in STATUS_WORDS else NOTHING


class ActionFilter(JobListFilter):
    """By action; the choices are the registered ones, a URL may name a former one."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(action.name, action.name) for action in all_actions()]

    def fields_of(self, value: str, now: datetime) -> Fields:
        return {"action": value} if NAME.fullmatch(value) else NOTHING


class _SpanFilter(JobListFilter):
    field = ""
    options = tuple((name, words) for name, (_span, words) in SPANS.items())

    def fields_of(self, value: str, now: datetime) -> Fields:
        return {self.field: now - SPANS[value][0]} if value in SPANS else NOTHING


class CreatedFilter(_SpanFilter):
    """By creation."""

    title = _("created")
    parameter_name = "created"
    field = "created_from"


class StartedFilter(_SpanFilter):
    """By the first claim."""

    title = _("first claimed")
    parameter_name = "started"
    field = "started_from"


class AttemptsFilter(JobListFilter):
    """Jobs that were claimed more than once."""

    title = _("attempts")
    parameter_name = "attempts"
    options = (("2", _("2 or more")),)

    def fields_of(self, value: str, now: datetime) -> Fields:
        return {"retried": True} if value == "2" else NOTHING


class LateFilter(JobListFilter):
    """Jobs that have been due for longer than health checks allow."""

    title = _("late")
    parameter_name = "late"
    options = (("1", _("due for 5 minutes or longer")),)

    def fields_of(self, value: str, now: datetime) -> Fields:
        return {"due_until": now - LATE_AFTER} if value == "1" else NOTHING


class SameReferenceFilter(JobListFilter):
    """Jobs for the reference of another job; shown only on a list that a job's page links to."""

    title = _("reference")
    parameter_name = "same_as"
    has_counts = False

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the choice by the job's id: the user may not be allowed to see the reference."""
        value = request.GET.get(self.parameter_name)
        return [] if value is None else [(value, translated("as of job %(id)s") % {"id": value})]

    def fields_of(self, value: str, now: datetime) -> Fields:
        job_id = parse_id(value)
        return NOTHING if job_id is None else {"same_as": job_id}


class ProjectFilter(JobListFilter):
    """By project, which the user completes or names by its id; there may be too many to list."""

    title = _("project")
    parameter_name = "project"
    template = "admin/jobs/job/project_filter.html"
    has_counts = False

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.request, self.model_admin = request, model_admin

    def has_output(self) -> bool:
        """Show it although it has no choices to list."""
        return True

    def fields_of(self, value: str, now: datetime) -> Fields:
        return NOTHING if self.project is None else {"project": self.project.pk}

    @cached_property
    def project(self) -> Any:
        """The chosen project; None if there is none or no such one."""
        try:
            key = project_key(self.value() or "")
        except ValidationError:
            return None
        return get_project_model()._default_manager.filter(pk=key).first()

    @cached_property
    def form(self) -> forms.Form:
        """The input: with completion if this user may view projects and the admin can search them, else for an id."""
        site = self.model_admin.admin_site
        projects = site._registry.get(get_project_model())
        can_search = projects is not None and projects.get_search_fields(self.request)
        form = forms.Form({self.parameter_name: self.value()}, auto_id="jobs-filter-%s")
        if can_search and projects.has_view_permission(self.request):
            form.fields[self.parameter_name] = RowField(
                get_project_model()._default_manager.all(),
                label=_("Project"),
                widget=AutocompleteSelect(Job._meta.get_field("project"), site),
            )
        else:
            form.fields[self.parameter_name] = forms.CharField(label=_("Id of the project"))
        form.fields[self.parameter_name].widget.attrs["form"] = "jobs-project-filter"
        return form

    def choices(self, changelist: Any) -> Any:
        """Yield "All" and the chosen project."""
        everything = changelist.get_query_string(remove=[self.parameter_name])
        yield {"selected": self.value() is None, "query_string": everything, "display": _("All")}
        if self.value() is not None:
            name = _("none such") if self.project is None else str(self.project)
            yield {"selected": True, "query_string": changelist.get_query_string(), "display": name}

    def hidden(self) -> list[tuple[str, Any]]:
        """Return the other parameters of the URL, which the form sends again."""
        left_out = {self.parameter_name, "p", "before", "e"}
        return [(name, value) for name, value in self.request.GET.items() if name not in left_out]


JOB_FILTERS: Final = (
    StatusFilter,
    LateFilter,
    AttemptsFilter,
    CreatedFilter,
    StartedFilter,
    ActionFilter,
    ProjectFilter,
    SameReferenceFilter,
)
