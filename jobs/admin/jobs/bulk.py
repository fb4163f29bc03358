"""Cancel, retry or run now many jobs: those that are ticked at once, all that match by a job of its own.

The list leads to a page that says what would be done. What stands there travels on signed:
the ids that were ticked or, for all that match, the filter and the newest id of that moment.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from ...db import clock
from ...db.connection import jobs_connection
from ...exceptions import InvalidField, JobsError
from ...models import Job
from ...services.commands import bulk_change
from ...services.commands.bulk_change import BulkChange, Change
from ...services.reports.wait_reasons import Waiting, explain_wait
from ...services.search.staff_filter import JobFilter
from ...status import Status
from ..base import display
from ..base.masking import masked, may_see_references
from ..base.read_only import selected_ids, staff
from .buttons import STEPS, ReasonForm, Step, StepsInMixin, why_not
from .columns import ListsJobs, waits

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# A page must answer before the web server loses patience; each busy job may take JOBS["CANCEL_WAIT_SECONDS"].
BULK_SECONDS: Final = 15
CONFIRM_WITHIN_SECONDS: Final = 3600
SALT: Final = "jobs.admin.jobs.bulk"


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """The words for one change of many; how one job is changed, and who may, its step says."""

    title: "_StrPromise"
    all_title: "_StrPromise"
    explanation: "_StrPromise"
    button: "_StrPromise"
    done: Any
    not_done: Any

    @staticmethod
    def step_of(change: Change) -> Step:
        """Return the step that does the same to one job."""
        return STEPS[change.value]


BULKS: Final = {
    Change.CANCEL: Bulk(
        title=_("Cancel these jobs?"),
        all_title=_("Cancel all jobs that match?"),
        explanation=_(
            "From then on they change nothing more. What they have done before stays done; their receipts say what. "
            "A cancelled job cannot be started again."
        ),
        button=_("Cancel the jobs"),
        done=ngettext_lazy("Cancelled job %(ids)s.", "Cancelled %(count)s jobs: %(ids)s.", "count"),
        not_done=ngettext_lazy(
            "Job %(ids)s was not cancelled: %(problem)s.",
            "%(count)s jobs were not cancelled (%(ids)s): %(problem)s.",
            "count",
        ),
    ),
    Change.RETRY: Bulk(
        title=_("Retry these jobs?"),
        all_title=_("Retry all failed jobs that match?"),
        explanation=_(
            "For each a new job does the same for the same reference; the failed ones stay as they are. "
            "A job is retried once."
        ),
        button=_("Retry the jobs"),
        done=ngettext_lazy("Retried job %(ids)s.", "Retried %(count)s jobs: %(ids)s.", "count"),
        not_done=ngettext_lazy(
            "Job %(ids)s was not retried: %(problem)s.",
            "%(count)s jobs were not retried (%(ids)s): %(problem)s.",
            "count",
        ),
    ),
    Change.RUN: Bulk(
        title=_("Run these jobs now?"),
        all_title=_("Run all waiting jobs that match now?"),
        explanation=_("They are due at once instead of at their times; workers take them when it is their turn."),
        button=_("Run the jobs now"),
        done=ngettext_lazy("Job %(ids)s is due now.", "%(count)s jobs are due now: %(ids)s.", "count"),
        not_done=ngettext_lazy(
            "Job %(ids)s was not made due: %(problem)s.",
            "%(count)s jobs were not made due (%(ids)s): %(problem)s.",
            "count",
        ),
    ),
}


class ChangesManyJobs(ListsJobs, StepsInMixin):
    """The actions of the list, and the page between them and what they do."""

    actions: Sequence[Any] = ("cancel_selected", "retry_selected", "run_selected")

    @admin.action(permissions=["cancel"], description=_("Cancel selected jobs"))
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask whether to cancel."""
        return self._ask(request, Change.CANCEL)

    @admin.action(permissions=["retry"], description=_("Retry selected jobs"))
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask whether to retry."""
        return self._ask(request, Change.RETRY)

    @admin.action(permissions=["run"], description=_("Run selected jobs now"))
    def run_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask whether to run now."""
        return self._ask(request, Change.RUN)

    def refuses_all_that_match(self, request: HttpRequest) -> bool:
        """Let the actions themselves deal with it."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Add the address to which the page in between sends what was confirmed."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_bulk"
        return [path("bulk/", self.admin_site.admin_view(self.bulk_view), name=name), *super().get_urls()]

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Do what was confirmed, if it was and may be; else lead back to the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(self.url_of("changelist"))
        try:
            asked = signing.loads(request.POST.get("asked", ""), salt=SALT, max_age=CONFIRM_WITHIN_SECONDS)
            change = Change(asked["change"])
        except (signing.BadSignature, ValueError, TypeError, KeyError):
            self.message_user(request, translated("Nothing was changed: begin anew, please."), messages.ERROR)
            return HttpResponseRedirect(self.url_of("changelist"))
        if asked["user"] != str(request.user.pk) or not self.may_step_in(request, Bulk.step_of(change).permission):
            raise PermissionDenied
        form = ReasonForm(request.POST)
        if not form.is_valid():
            return self._page(request, change, asked, form)
        reason = form.cleaned_data["reason"]
        if "ids" in asked:
            return self._change_ticked(request, change, asked, reason)
        return self._order(request, change, asked, reason)

    def _ask(self, request: HttpRequest, change: Change) -> HttpResponse | None:
        """Show the page in between, or say why there is none."""
        asked: dict[str, Any] = {"change": change.value, "user": str(request.user.pk), "back": request.GET.urlencode()}
        if not forms.BooleanField(required=False).to_python(request.POST.get("select_across")):
            return self._page(request, change, {**asked, "ids": selected_ids(request)}, ReasonForm())
        highest_id = bulk_change.newest_job_id()
        changelist: Any = self.get_changelist_instance(request)
        if not changelist.may_choose_all:
            problem = translated("Nothing was changed: only rows that are ticked can be chosen, not all that match.")
            self.message_user(request, problem, messages.ERROR)
            return None
        wanted = changelist.wanted.without_reference()
        asked |= {"filter": wanted.as_json(), "highest_id": highest_id, "words": changelist.asked_in_words}
        return self._page(request, change, asked, ReasonForm())

    def _page(self, request: HttpRequest, change: Change, asked: dict[str, Any], form: forms.Form) -> HttpResponse:
        """Say what would be done, to how many jobs, and to which for example."""
        bulk, is_all = BULKS[change], "ids" not in asked
        title = bulk.all_title if is_all else bulk.title
        if is_all:
            preview = bulk_change.preview_change(change, JobFilter.from_json(asked["filter"]))
            count, samples = display.counted(preview.count, at_least=preview.at_least), preview.samples
        else:
            preview, samples = None, asked["ids"][: bulk_change.SAMPLES]
            count = display.whole(len(asked["ids"]))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "original": title,
            "has_view_permission": True,
            "opts": self.opts,
            "media": self.media,
            "step": Bulk.step_of(change),
            "bulk": bulk,
            "is_all": is_all,
            "is_none": is_all and preview is not None and preview.count == 0,
            "count": count,
            "words": asked.get("words", []),
            "samples": self._samples(request, samples),
            "wait": self._wait_of_order() if is_all else "",
            "reason": form["reason"],
            "asked": signing.dumps(asked, salt=SALT, compress=True),
            "post_to": self.url_of("bulk"),
            "back": f"{self.url_of('changelist')}?{asked['back']}",
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/jobs/job/bulk.html", context)

    def _samples(self, request: HttpRequest, ids: Sequence[int]) -> list[dict[str, Any]]:
        rows = Job.objects.defer("parameters", "receipt").select_related("project").in_bulk(ids)
        may_see = may_see_references(request.user)
        return [
            {
                "id": job.pk,
                "url": self.url_of("change", job.pk),
                "status": display.status(job.status),
                "project": job.project,
                "action": job.action,
                "reference": job.reference_id if may_see else masked(job.reference_id),
            }
            for job in (rows[job_id] for job_id in ids if job_id in rows)
        ]

    def _wait_of_order(self) -> str:
        """Return what will keep the job that does it from being run, as far as it can be known before it is there."""
        now = clock.read(jobs_connection())
        job: Any = Job(pk=0, action=bulk_change.ACTION, status=Status.SCHEDULED.value, start_at=now, due_at=now)
        job.seen_at, job.wait = now, explain_wait(job, now=now)
        return "" if job.wait is None or job.wait.what is Waiting.TURN else str(waits(job))

    def _order(self, request: HttpRequest, change: Change, asked: dict[str, Any], reason: str) -> HttpResponse:
        """Have a job of its own do it, and lead to that job's page."""
        project = bulk_change.staff_project()
        who = staff(request)
        if project is None:
            words = translated("Nothing was changed: JOBS[“STAFF_PROJECT”] names no project any more for such a job.")
            self.message_user(request, words, messages.ERROR)
            return HttpResponseRedirect(f"{self.url_of('changelist')}?{asked['back']}")
        order = BulkChange(
            change=change,
            wanted=JobFilter.from_json(asked["filter"]),
            highest_id=asked["highest_id"],
            reason=reason,
            staff=who.name,
            request_id=who.request_id,
        )
        try:
            job = bulk_change.request_change(order, project=project)
        except InvalidField as invalid:
            form = ReasonForm(request.POST)
            form.add_error("reason", str(invalid))
            return self._page(request, change, asked, form)
        except JobsError as error:
            self.message_user(request, why_not(error), messages.ERROR)
            return HttpResponseRedirect(self.url_of("changelist"))
        self.log_addition(request, job, translated("Asked for: %(what)s.") % {"what": job.description})
        words = translated(
            "This job changes all that match; its receipt tells what was done, and why the rest was not."
        )
        self.message_user(request, words, messages.SUCCESS)
        return self.to_page_of(job)

    def _change_ticked(self, request: HttpRequest, change: Change, asked: dict[str, Any], reason: str) -> HttpResponse:
        """Change the ticked jobs one by one, also those that a filter hides since the list was shown."""
        jobs = Job.objects.select_related("project").in_bulk(asked["ids"])
        done: list[int] = []
        kept: dict[str, list[int]] = {}
        stop_at = time.monotonic() + BULK_SECONDS
        for job_id in asked["ids"]:
            if job_id not in jobs:
                problem = translated("there is no such job")
            elif time.monotonic() > stop_at:
                problem = translated("not tried, as the others took too long; choose them again")
            else:
                problem = self._change_one(request, jobs[job_id], Bulk.step_of(change), reason)
            (kept.setdefault(problem, []) if problem else done).append(job_id)
        self._tell(request, BULKS[change], done, kept)
        return HttpResponseRedirect(f"{self.url_of('changelist')}?{asked['back']}")

    def _change_one(self, request: HttpRequest, job: Job, step: Step, reason: str) -> str:
        """Change a job; return why it was not, or nothing. The log names the job and no person."""
        try:
            changed = step.service(job.pk, project=job.project, actor=staff(request), reason=reason)
        except JobsError as error:
            return why_not(error)
        self.log_change(request, job, str(step.logged) % {"id": job.pk, "new": changed.pk})
        return ""

    def _tell(self, request: HttpRequest, bulk: Bulk, done: list[int], kept: dict[str, list[int]]) -> None:
        """Say which jobs were changed, and of the others why not."""
        if done:
            self.message_user(request, bulk.done % _counted(done), messages.SUCCESS)
        for problem, ids in kept.items():
            self.message_user(request, bulk.not_done % {"problem": problem, **_counted(ids)}, messages.WARNING)


def _counted(ids: list[int]) -> dict[str, Any]:
    return {"count": len(ids), "ids": ", ".join(map(str, ids))}
