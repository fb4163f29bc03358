"""Jobs: find one in seconds, understand it, cancel it."""

import time
from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .. import services
from ..exceptions import Busy, ConcurrentChange, InvalidField, JobNotFound, TransitionRefused
from ..models import Job
from . import shown
from .adding import AddsJobs
from .job_page import JobPageMixin
from .lists import ActionFilter, BoundedPaginator, JobChangeList, StatusFilter, search
from .overview import OverviewMixin
from .pages import selected_ids, staff

# A page must answer before the web server loses patience; each busy job may take JOBS["CANCEL_WAIT_SECONDS"].
BULK_SECONDS: Final = 15
NOT_IN_THE_LIST: Final = ("description", "errors", "parameters", "receipt")

STATUS: Final = shown.column(shown.status, "status", _("status"))
PROJECT: Final = shown.column(str, "project", _("project"))
ACTION: Final = shown.column(str, "action", _("action"))
REFERENCE: Final = shown.column(shown.text, "reference_id", _("reference"))
CREATED_BRIEFLY: Final = shown.column(shown.brief_moment, "created_at", _("created"))
START_BRIEFLY: Final = shown.column(shown.brief_moment, "start_at", _("start"))
ATTEMPT: Final = shown.column(shown.whole, "attempt", _("attempt"))


class JobAdminMixin(AddsJobs, OverviewMixin, JobPageMixin):
    """All that the jobs' pages do; mix it with the ``ModelAdmin`` of your theme."""

    list_display = ("id", STATUS, PROJECT, ACTION, REFERENCE, CREATED_BRIEFLY, START_BRIEFLY, ATTEMPT)
    list_display_links = ("id",)
    list_select_related = ("project",)
    list_filter = (StatusFilter, ActionFilter)
    list_per_page = 50
    list_max_show_all = 50
    ordering = ("-id",)
    search_fields = ("id", "reference_id")  # what `search` looks at, exactly
    search_help_text = _("Finds a job by its id, and jobs by their whole reference, exactly as it was sent.")
    show_full_result_count = False
    paginator = BoundedPaginator
    actions: Sequence[Any] = ("cancel_selected",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[JobChangeList]:
        """Return the list that stays fast."""
        return JobChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by id and exact reference; the list itself needs no long texts."""
        rows = queryset.defer(*NOT_IN_THE_LIST)
        return (search(rows, search_term) if search_term else rows), False

    @admin.action(permissions=["cancel"], description=_("Cancel selected jobs"))
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Cancel the ticked jobs one by one, also those that a filter hides since the list was shown."""
        chosen = selected_ids(request)
        jobs = Job.objects.select_related("project").in_bulk(chosen)
        cancelled: list[int] = []
        kept: dict[str, list[int]] = {}
        stop_at = time.monotonic() + BULK_SECONDS
        for job_id in chosen:
            if job_id not in jobs:
                problem = translated("there is no such job")
            elif time.monotonic() > stop_at:
                problem = translated("not tried, as the others took too long; choose them again")
            else:
                problem = self._cancel(request, jobs[job_id])
            (kept.setdefault(problem, []) if problem else cancelled).append(job_id)
        self._tell(request, cancelled, kept)

    def _cancel(self, request: HttpRequest, job: Job, *, reason: str = "") -> str:
        """Cancel a job; return why it was not, or nothing. The log names the job and no person."""
        try:
            cancelled = services.cancel_job(job.pk, project=job.project, actor=staff(request), reason=reason)
        except TransitionRefused as refused:
            return translated("already %(status)s") % {"status": shown.STATUS_WORDS[refused.status]}
        except (Busy, ConcurrentChange):
            return translated("busy just now and unchanged; try again in a moment")
        except JobNotFound:
            return translated("there is no such job")
        except InvalidField as invalid:  # the reason
            return str(invalid)
        self.log_change(request, cancelled, translated("Cancelled."))
        return ""

    def _tell(self, request: HttpRequest, cancelled: list[int], kept: dict[str, list[int]]) -> None:
        """Say which jobs were cancelled, and of the others why not."""
        if cancelled:
            words = ngettext("Cancelled job %(ids)s.", "Cancelled %(count)s jobs: %(ids)s.", len(cancelled))
            self.message_user(request, words % _counted(cancelled), messages.SUCCESS)
        for problem, ids in kept.items():
            words = ngettext(
                "Job %(ids)s was not cancelled: %(problem)s.",
                "%(count)s jobs were not cancelled (%(ids)s): %(problem)s.",
                len(ids),
            )
            self.message_user(request, words % {"problem": problem, **_counted(ids)}, messages.WARNING)


class JobAdmin(JobAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Jobs in Django's own admin."""


def _counted(ids: list[int]) -> dict[str, Any]:
    return {"count": len(ids), "ids": ", ".join(map(str, ids))}
