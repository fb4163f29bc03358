"""The jobs list as a page: its columns, filters and search; mixed into ``JobAdminMixin``."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from ...models import Job
from ...services.reports.wait_reasons import Wait, Waiting
from ..base import display
from ..base.read_only import LookOnlyMixin
from .change_list import NOT_IN_THE_LIST, BoundedPaginator, JobChangeList, search
from .filters import JOB_FILTERS, LATE_AFTER

UNITS: Final = (
    (timedelta(days=1), ngettext_lazy("%(number)d day", "%(number)d days", "number")),
    (timedelta(hours=1), ngettext_lazy("%(number)d h", "%(number)d h", "number")),
    (timedelta(minutes=1), ngettext_lazy("%(number)d min", "%(number)d min", "number")),
    (timedelta(seconds=1), ngettext_lazy("%(number)d s", "%(number)d s", "number")),
)
BADGES: Final = {
    Waiting.HELD: _("held"),
    Waiting.DISABLED: _("held: organization disabled"),
    Waiting.PAUSED: _("paused"),
    Waiting.WORKER: _("no worker"),
}


def span(duration: timedelta) -> str:
    """Return a duration in its largest unit, rounded down; there is none below a second."""
    for unit, words in UNITS:
        if duration >= unit:
            return str(words % {"number": duration // unit})
    return str(UNITS[-1][1] % {"number": 0})


def age(at: datetime, now: datetime) -> SafeString:
    """Return how long ago an instant was, and itself on demand."""
    words = translated("%(span)s ago") % {"span": span(now - at)}
    return _instant(at, words)


@admin.display(description=_("created"))
def created(job: Any) -> SafeString:
    """Return the age of a job."""
    return age(job.created_at, job.seen_at)


@admin.display(description=_("start"))
def start(job: Any) -> SafeString:
    """Return when it starts, or how long ago that was."""
    if job.start_at <= job.seen_at:
        return age(job.start_at, job.seen_at)
    return _instant(job.start_at, translated("in %(span)s") % {"span": span(job.start_at - job.seen_at)})


@admin.display(description=_("reference"))
def reference(job: Any) -> str:
    """Return the reference as this user may see it."""
    return display.text(job.shown_reference) if job.shown_reference else display.NONE


@admin.display(description=_("progress"))
def progress(job: Job) -> str:
    """Return what is done; of jobs that tell nothing, nothing."""
    return display.NONE if job.progress_total is None and not job.progress_done else display.progress(job)


@admin.display(description=_("waits"))
def waits(job: Any) -> str:
    """Return what keeps a job that is due, or held, from being run, and for how long."""
    wait: Wait | None = job.wait
    if wait is None or wait.what is Waiting.START_TIME:
        return display.NONE
    if wait.what is Waiting.RETRY:
        return _badge("retry", translated("retry in %(span)s") % {"span": span(job.due_at - job.seen_at)})
    waited = job.seen_at - job.due_at
    how_long = translated("waiting %(span)s") % {"span": span(waited)}
    if wait.what is Waiting.HELD:
        return _badge("held", BADGES[wait.what])
    if wait.what in BADGES:
        return _badge("held", translated("%(why)s, %(waiting)s") % {"why": BADGES[wait.what], "waiting": how_long})
    if waited >= LATE_AFTER:
        return _badge("late", translated("late, %(waiting)s") % {"waiting": how_long})
    return _badge("turn", how_long)


STATUS: Final = display.column(display.status, "status", _("status"))
PROJECT: Final = display.column(lambda project: format_html("<bdi>{}</bdi>", project), "project", _("project"))
ACTION: Final = display.column(str, "action", _("action"))
ATTEMPT: Final = display.column(display.whole, "attempt", _("attempt"))


class ListsJobs(LookOnlyMixin):
    """What the list shows, and what it may be asked."""

    list_display = ("id", STATUS, waits, PROJECT, ACTION, reference, created, start, ATTEMPT, progress)
    list_display_links = ("id",)
    list_select_related = ("project",)
    list_filter = JOB_FILTERS
    list_per_page = 50
    list_max_show_all = 50
    ordering = ("-id",)
    search_fields = ("id", "reference_id")  # what a search looks at, exactly
    search_help_text = _("Finds a job by its id, and jobs by their whole reference, exactly as it was sent.")
    show_full_result_count = False
    show_facets = admin.ShowFacets.ALLOW
    paginator = BoundedPaginator

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[JobChangeList]:
        """Return the list that stays fast."""
        return JobChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by id and exact reference where a job is chosen for something else; the list looks for itself."""
        rows = queryset.defer(*NOT_IN_THE_LIST)
        return (search(rows, search_term) if search_term else rows), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list; where the filter by project has a widget, with the files that it needs."""
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        for spec in getattr(context.get("cl"), "filter_specs", ()):
            if hasattr(spec, "form"):
                context["media"] += spec.form.media
        return response


def _instant(at: datetime, words: str) -> SafeString:
    exact = display.exact(at)
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, words)


def _badge(kind: str, words: Any) -> SafeString:
    return format_html('<span class="jobs-badge jobs-badge-{}">{}</span>', kind, words)
