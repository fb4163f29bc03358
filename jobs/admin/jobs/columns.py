"""The columns, filters and search of the jobs list."""

from datetime import datetime
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ...exceptions import TooSlow
from ...models import Job
from ...services.reports.wait_reasons import Wait, WaitReason
from ..base import display
from ..base.masking import may_see_references
from ..base.read_only import ReadOnlyMixin
from .change_list import UNLISTED_COLUMNS, BoundedPaginator, JobChangeList, search
from .filters import JOB_FILTERS, LATE_AFTER

BADGES: Final = {
    WaitReason.HELD: _("held"),
    WaitReason.DISABLED: _("organization disabled"),
    WaitReason.PAUSED: _("paused"),
    WaitReason.WORKER: _("no worker"),
}


@admin.display(description=_("created"))
def created(job: Any) -> SafeString:
    """Return the age of a job."""
    return relative(job.created_at, job.read_at)


@admin.display(description=_("start"))
def start(job: Any) -> SafeString:
    """Return how long ago it was to start, or in how long it is to."""
    return relative(job.start_at, job.read_at)


@admin.display(description=_("reference"))
def reference(job: Any) -> str:
    """Return the reference as this user may see it."""
    return display.text(display.visible(job.visible_reference)) if job.visible_reference else display.NONE


@admin.display(description=_("progress"))
def progress(job: Job) -> str:
    """Return the progress; a dash for jobs that report none."""
    return display.NONE if job.progress_total is None and not job.progress_done else display.progress(job)


@admin.display(description=_("waits"))
def waits(job: Any) -> str:
    """Return why a job that is due, held or between attempts waits, and for how long."""
    wait: Wait | None = job.wait
    if wait is None or wait.reason is WaitReason.START_TIME:
        return display.NONE
    if wait.reason is WaitReason.RETRY:
        until = display.rough_duration(job.due_at - job.read_at)
        return _badge("retry", translated("next attempt in %(span)s") % {"span": until})
    if wait.reason is WaitReason.HELD:
        return _badge("held", BADGES[wait.reason])
    waited = job.read_at - job.due_at
    how_long = translated("waiting %(span)s") % {"span": display.rough_duration(waited)}
    if wait.reason in BADGES:
        return _badge("held", translated("%(why)s, %(waiting)s") % {"why": BADGES[wait.reason], "waiting": how_long})
    if waited >= LATE_AFTER:
        return _badge("late", translated("late, %(waiting)s") % {"waiting": how_long})
    return _badge("turn", how_long)


STATUS: Final = display.column(display.status, "status", _("status"))
PROJECT: Final = display.column(lambda project: format_html("<bdi>{}</bdi>", project), "project", _("project"))
ACTION: Final = display.column(str, "action", _("action"))
ATTEMPT: Final = display.column(display.whole, "attempt", _("attempt"))


class JobListMixin(ReadOnlyMixin):
    """The jobs list."""

    list_display = ("id", STATUS, waits, PROJECT, ACTION, reference, created, start, ATTEMPT, progress)
    list_display_links = ("id",)
    list_select_related = ("project",)
    list_filter = JOB_FILTERS
    ordering = ("-id",)
    search_fields = ("id", "reference_id")  # both matched exactly
    search_help_text = _(
        "Finds a job by its id and, if you may see references, jobs by their whole reference, exactly as it was sent."
    )
    show_full_result_count = False
    show_facets = admin.ShowFacets.ALLOW
    paginator = BoundedPaginator

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[JobChangeList]:
        return JobChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by id and exact reference for autocompletion; the list does its own search."""
        rows = queryset.defer(*UNLISTED_COLUMNS)
        may_see = may_see_references(request.user)
        return (search(rows, search_term, may_see_references=may_see) if search_term else rows), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list with the CSS and JavaScript of its filters' widgets; without filters, if these are too slow."""
        try:
            response = super().changelist_view(request, extra_context)
        except TooSlow as error:
            if not request.GET:
                raise
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)
        context = getattr(response, "context_data", None) or {}
        for spec in getattr(context.get("cl"), "filter_specs", ()):
            if hasattr(spec, "form"):
                context["media"] += spec.form.media
        return response


def relative(at: datetime, now: datetime) -> SafeString:
    """Return how long ago an instant was, or how far it lies ahead; the instant itself is a tooltip."""
    words = translated("in %(span)s") if at > now else translated("%(span)s ago")
    markup = '<time datetime="{}" title="{}">{}</time>'
    span = display.rough_duration(abs(now - at))
    return format_html(markup, at.isoformat(), display.exact(at), words % {"span": span})


def _badge(kind: str, words: Any) -> SafeString:
    return format_html('<span class="jobs-badge jobs-badge-{}">{}</span>', kind, words)
