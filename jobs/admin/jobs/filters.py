"""The filters of the jobs list: each only says what it asks for; how that is found is not its affair."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

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
from ...status import Status
from ..base.display import STATUS_WORDS

if TYPE_CHECKING:
    from .change_list import JobChangeList

LATE_AFTER: Final = timedelta(seconds=Bounds.max_overdue)
SPANS: Final = {
    "1h": (timedelta(hours=1), _("last hour")),
    "24h": (timedelta(hours=24), _("last 24 hours")),
    "7d": (timedelta(days=7), _("last 7 days")),
    "30d": (timedelta(days=30), _("last 30 days")),
}

Fields = dict[str, Any]
NOTHING: Final[Fields] = {"nothing": True}


class JobListFilter(admin.SimpleListFilter):
    """A filter of the jobs list; its counts come from the list, which bounds them."""

    parameter_name: str
    has_counts = True

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Return the fields of ``JobFilter`` that the choice ``value`` sets; an address may hold any text."""
        raise NotImplementedError  # each filter has its own

    def asks(self, now: datetime) -> Fields:
        """Return the fields that the present choice sets."""
        value = self.value()
        return {} if value is None else self.fields_of(value, now)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave the rows as they are: the list asks all filters and looks once."""
        return queryset

    # What Django calls a queryset it only looks up by name, and shows; numbers could not say "10,000+".
    def get_facet_queryset(self, changelist: "JobChangeList") -> dict[str, str]:  # type: ignore[override]
        """Return a count for each choice, as a text."""
        return {
            f"{number}__c": changelist.counts[self.parameter_name, value]
            for number, (value, _) in enumerate(self.lookup_choices)
            if (self.parameter_name, value) in changelist.counts
        }


class StatusFilter(JobListFilter):
    """By status."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the five."""
        return [(status.value, STATUS_WORDS[status]) for status in Status]

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Ask for the status."""
        return {"status": value} if value in STATUS_WORDS else NOTHING


class ActionFilter(JobListFilter):
    """By action; offered are those registered now, an address may name a former one."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the registered actions."""
        return [(action.name, action.name) for action in all_actions()]

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Ask for the action."""
        return {"action": value} if NAME.fullmatch(value) else NOTHING


class _SpanFilter(JobListFilter):
    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the spans up to now."""
        return [(name, words) for name, (_span, words) in SPANS.items()]

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Ask for an instant since the beginning of the span."""
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
    """Those that were claimed more than once."""

    title = _("attempts")
    parameter_name = "attempts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the one choice."""
        return [("2", _("2 or more"))]

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Ask for a second claim."""
        return {"retried": True} if value == "2" else NOTHING


class LateFilter(JobListFilter):
    """Those that wait for longer than monitors allow."""

    title = _("late")
    parameter_name = "late"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the one choice."""
        return [("1", _("due for 5 minutes or longer"))]

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Ask for what has been due for so long."""
        return {"due_until": now - LATE_AFTER} if value == "1" else NOTHING


class SameReferenceFilter(JobListFilter):
    """The jobs for the reference of one of them; shown only where a link of ours has led."""

    title = _("reference")
    parameter_name = "same_as"
    has_counts = False

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return what was chosen, by the id: the reference may be hidden from the user."""
        value = request.GET.get(self.parameter_name)
        return [] if value is None else [(value, translated("as of job %(id)s") % {"id": value})]

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Ask for the same reference."""
        job_id = parse_id(value)
        return NOTHING if job_id is None else {"same_as": job_id}


class ProjectFilter(JobListFilter):
    """By project: found as one types, or named by its id; never a list of all."""

    title = _("project")
    parameter_name = "project"
    template = "admin/jobs/job/project_filter.html"
    has_counts = False

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.request, self.model_admin = request, model_admin

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return none: there may be any number."""
        return []

    def has_output(self) -> bool:
        """Show it always."""
        return True

    def fields_of(self, value: str, now: datetime) -> Fields:
        """Ask for the project, if there is such a one."""
        return NOTHING if self.project is None else {"project": self.project.pk}

    @cached_property
    def project(self) -> Any:
        """The project that was chosen, or None."""
        try:
            key = project_key(self.value() or "")
        except ValidationError:
            return None
        return get_project_model()._default_manager.filter(pk=key).first()

    @cached_property
    def form(self) -> forms.Form:
        """The form that asks for a project: by the admin's search, if projects can be searched and seen."""
        site = self.model_admin.admin_site
        projects = site._registry.get(get_project_model())
        can_search = projects is not None and projects.get_search_fields(self.request)
        form = forms.Form({self.parameter_name: self.value()}, auto_id="jobs-filter-%s")
        if can_search and projects.has_view_permission(self.request):
            form.fields[self.parameter_name] = forms.ModelChoiceField(
                get_project_model()._default_manager.all(),
                label=_("Project"),
                widget=AutocompleteSelect(Job._meta.get_field("project"), site),
            )
        else:
            form.fields[self.parameter_name] = forms.CharField(label=_("Id of the project"))
        return form

    def choices(self, changelist: Any) -> Any:
        """Return the way back to all, and the project that is shown."""
        everything = changelist.get_query_string(remove=[self.parameter_name])
        yield {"selected": self.value() is None, "query_string": everything, "display": _("All")}
        if self.value() is not None:
            name = _("none such") if self.project is None else str(self.project)
            yield {"selected": True, "query_string": changelist.get_query_string(), "display": name}

    def hidden(self) -> list[tuple[str, Any]]:
        """Return what else the address says, for the form to say it again."""
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
