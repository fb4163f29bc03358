"""Jobs: find one in seconds, understand it, cancel it."""

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .. import services
from ..exceptions import Busy, ConcurrentChange, InvalidField, JobNotFound, TransitionRefused
from ..models import Job
from ..status import Status
from . import shown
from .job_list import ListsJobs
from .pages import selected_ids, staff

EVENTS_SHOWN: Final = 200
# A page must answer before the web server loses patience; each busy job may take JOBS["CANCEL_WAIT_SECONDS"].
BULK_SECONDS: Final = 15

STATUS: Final = shown.column(shown.status, "status", _("status"))
PROJECT: Final = shown.column(str, "project", _("project"))
ACTION: Final = shown.column(str, "action", _("action"))
REFERENCE: Final = shown.column(shown.text, "reference_id", _("reference"))
DESCRIPTION: Final = shown.column(shown.text, "description", _("description"))
ERRORS: Final = shown.column(shown.text, "errors", _("errors"))
PARAMETERS: Final = shown.column(shown.as_json, "parameters", _("parameters"))
CREATED: Final = shown.column(shown.moment, "created_at", _("created"))
START: Final = shown.column(shown.moment, "start_at", _("start"))
DUE: Final = shown.column(shown.moment, "due_at", _("due"))
STARTED: Final = shown.column(shown.moment, "started_at", _("first claimed"))
BEGUN: Final = shown.column(shown.moment, "begun_at", _("attempt begun"))
PROGRESSED: Final = shown.column(shown.moment, "progress_at", _("last progress"))
FINISHED: Final = shown.column(shown.moment, "finished_at", _("finished"))
UPDATED: Final = shown.column(shown.moment, "updated_at", _("updated"))
ATTEMPT: Final = shown.column(shown.whole, "attempt", _("attempt"))
FAILURES: Final = shown.column(shown.whole, "failures", _("failed attempts"))
CRASHES: Final = shown.column(shown.whole, "crashes", _("workers lost"))
WORKER: Final = shown.column(shown.text, "worker", _("worker"))
LEASE: Final = shown.column(shown.moment, "lease_expires_at", _("lease expires"))


class CancelForm(forms.Form):
    """What may be said with a cancel."""

    reason = forms.CharField(
        label=_("Reason (optional)"),
        help_text=_("Kept with the job's events and read by staff. No personal data, please."),
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField", "form": "jobs-cancel"}),
    )


class JobAdminMixin(ListsJobs):
    """All that the jobs' pages do; mix it with the ``ModelAdmin`` of your theme."""

    actions: Sequence[Any] = ("cancel_selected",)
    fieldsets: ClassVar[Any] = (
        (None, {"fields": (STATUS, "project", ACTION, REFERENCE, DESCRIPTION, ERRORS)}),
        (_("Progress"), {"fields": (shown.progress, shown.receipt)}),
        (_("Times"), {"fields": ((CREATED, START), (DUE, STARTED), (BEGUN, FINISHED), (UPDATED, PROGRESSED))}),
        (_("Attempts"), {"fields": ((ATTEMPT, WORKER), (FAILURES, CRASHES), (LEASE, "retries"))}),
        (_("Parameters"), {"fields": (PARAMETERS,), "classes": ("collapse",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return them all."""
        return [field for _title, options in self.fieldsets for row in options["fields"] for field in _fields_of(row)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse everybody: jobs are asked for by integrators and host code."""
        return False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether this user may cancel jobs (``jobs.cancel_job``); seeing them is another permission."""
        return request.user.has_perm(f"{self.opts.app_label}.{get_permission_codename('cancel', self.opts)}")

    def button_urls(self) -> list[URLPattern]:
        """Add the address behind the button."""
        return [*super().button_urls(), self.button_url("cancel", self.cancel_view)]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Show the job with its timeline and, to those who may use it, the button."""
        if obj is not None:
            context |= self._timeline(request, obj)
            if self.has_cancel_permission(request) and not Status(obj.status).is_final:
                context |= {"cancel_url": self.url_of("cancel", quote(obj.pk)), "cancel_form": CancelForm()}
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description=_("retry of"))
    def retries(self, job: Job) -> str:
        """Return the job that this one tries again."""
        if job.retry_of_id is None:
            return shown.NONE
        return format_html('<a href="{}">{}</a>', self.url_of("change", quote(job.retry_of_id)), job.retry_of_id)

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

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel one job, and show its page again with what really happened."""
        if not (self.has_view_permission(request) and self.has_cancel_permission(request)):
            raise PermissionDenied
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        form = CancelForm(request.POST)
        # A GET comes from the login page, where an expired session led; pressing the button again is up to the user.
        if request.method == "POST" and form.is_valid():
            problem = self._cancel(request, job, reason=form.cleaned_data["reason"])
            self._tell(request, *(([], {problem: [job.pk]}) if problem else ([job.pk], {})))
        elif request.method == "POST":
            self.message_user(request, " ".join(map(str, form.errors["reason"])), messages.ERROR)
        return self.to_page_of(job)

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

    def _timeline(self, request: HttpRequest, job: Job) -> dict[str, Any]:
        """Return the newest events, newest first; tracebacks are not even read for those who may not see them."""
        with_detail = request.user.has_perm(f"{self.opts.app_label}.view_job_detail")
        rows = job.events.order_by("-pk") if with_detail else job.events.order_by("-pk").defer("detail")
        newest = list(rows[: EVENTS_SHOWN + 1])
        return {
            "events": [shown.event(row, with_detail=with_detail) for row in newest[:EVENTS_SHOWN]],
            "events_left_out": EVENTS_SHOWN if len(newest) > EVENTS_SHOWN else 0,
        }


@admin.register(Job)
class JobAdmin(JobAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Jobs in Django's own admin."""


def _fields_of(row: Any) -> Sequence[Any]:
    return row if isinstance(row, tuple) else (row,)


def _counted(ids: list[int]) -> dict[str, Any]:
    return {"count": len(ids), "ids": ", ".join(map(str, ids))}
