"""Bulk changes: cancel, retry or run now the ticked jobs at once, or all that match by a job.

The action leads to a page that asks for confirmation. That page carries the request, signed:
the ticked ids or, for all that match, the filter and the newest id of that moment.
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
from django.urls import URLPattern
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from ...db import clock
from ...db.connection import jobs_connection
from ...exceptions import InvalidField, JobsError, TooSlow
from ...models import Job
from ...services.commands import bulk_change
from ...services.commands.bulk_change import BulkChange, Change
from ...services.reports.wait_reasons import WaitReason, explain_wait
from ...services.search.staff_filter import JobFilter
from ...status import Status
from ..base import display
from ..base.masking import hides_reference, masked
from ..base.read_only import actor_of, selected_ids, selects_all
from .columns import JobListMixin, waits
from .interventions import INTERVENTIONS, InterventionsMixin, ReasonForm, why_not

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# A response must come before the web server's timeout; each busy job may take JOBS["CANCEL_WAIT_SECONDS"].
BULK_SECONDS: Final = 15
CONFIRM_WITHIN_SECONDS: Final = 3600
SALT: Final = "jobs.admin.bulk"


@dataclass(frozen=True, kw_only=True)
class BulkTexts:
    """The texts of one bulk change; the intervention of the same name has the permission and the service."""

    title: "_StrPromise"
    all_title: "_StrPromise"
    explanation: "_StrPromise"
    button: "_StrPromise"
    done: Any
    not_done: Any


TEXTS: Final = {
    Change.CANCEL: BulkTexts(
        title=_("Cancel these jobs?"),
        all_title=_("Cancel all jobs that match?"),
        explanation=_(
            "The jobs stop and change nothing more. What they have changed stays changed; their receipts list it. "
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
    Change.RETRY: BulkTexts(
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
    Change.RUN: BulkTexts(
        title=_("Run these jobs now?"),
        all_title=_("Run all waiting jobs that match now?"),
        explanation=_("They are due at once instead of at their times; workers claim them when it is their turn."),
        button=_("Run the jobs now"),
        done=ngettext_lazy("Job %(ids)s is due now.", "%(count)s jobs are due now: %(ids)s.", "count"),
        not_done=ngettext_lazy(
            "Job %(ids)s was not made due: %(problem)s.",
            "%(count)s jobs were not made due (%(ids)s): %(problem)s.",
            "count",
        ),
    ),
}


class BulkChangeMixin(JobListMixin, InterventionsMixin):
    """The actions of the list, and the page that asks for confirmation."""

    actions: Sequence[Any] = ("cancel_selected", "retry_selected", "run_selected")

    @admin.action(permissions=["cancel"], description=_("Cancel selected jobs"))
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._ask(request, Change.CANCEL)

    @admin.action(permissions=["retry"], description=_("Retry selected jobs"))
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._ask(request, Change.RETRY)

    @admin.action(permissions=["run"], description=_("Run selected jobs now"))
    def run_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._ask(request, Change.RUN)

    def refuses_all_that_match(self, request: HttpRequest) -> bool:
        """Allow it: the confirmation page makes a bulk change of all jobs that match."""
        return False

    def button_urls(self) -> list[URLPattern]:
        return [self.page_url("bulk", self.bulk_view), *super().button_urls()]

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Make the confirmed change, if the request is signed, recent, of this user, and permitted."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(self.url_of("changelist"))
        try:
            asked = signing.loads(request.POST.get("asked", ""), salt=SALT, max_age=CONFIRM_WITHIN_SECONDS)
            change = Change(asked["change"])
        except (signing.BadSignature, ValueError, TypeError, KeyError):
            self.message_user(request, translated("Nothing was changed: please start again."), messages.ERROR)
            return HttpResponseRedirect(self.url_of("changelist"))
        is_allowed = self.has_permission_to(INTERVENTIONS[change.value].permission, request)
        if asked["user"] != str(request.user.pk) or not is_allowed:
            raise PermissionDenied
        form = ReasonForm(request.POST)
        if not form.is_valid():
            return self._confirmation(request, change, asked, form)
        reason = form.cleaned_data["reason"]
        if "ids" in asked:
            return self._change_ticked(request, change, asked, reason)
        return self._change_all(request, change, asked, reason)

    def _ask(self, request: HttpRequest, change: Change) -> HttpResponse | None:
        """Ask for confirmation; None, after a message, if all that match cannot be changed."""
        asked: dict[str, Any] = {"change": change.value, "user": str(request.user.pk), "back": request.GET.urlencode()}
        if not selects_all(request):
            return self._confirmation(request, change, {**asked, "ids": selected_ids(request)}, ReasonForm())
        highest_id = bulk_change.newest_job_id()
        changelist: Any = self.get_changelist_instance(request)
        if not changelist.may_choose_all:
            problem = translated("Nothing was changed: only rows that are ticked can be chosen, not all that match.")
            self.message_user(request, problem, messages.ERROR)
            return None
        wanted = changelist.wanted.without_reference()
        asked |= {"filter": wanted.as_json(), "highest_id": highest_id, "words": changelist.filters_in_words}
        return self._confirmation(request, change, asked, ReasonForm())

    def _confirmation(
        self, request: HttpRequest, change: Change, asked: dict[str, Any], form: forms.Form
    ) -> HttpResponse:
        """Show what would be done, to how many jobs, and some of them."""
        texts, is_all, is_none = TEXTS[change], "ids" not in asked, False
        if is_all:
            try:
                preview = bulk_change.preview_change(change, JobFilter.from_json(asked["filter"]))
            except TooSlow as error:
                self.message_user(request, str(error), messages.ERROR)
                return HttpResponseRedirect(self._list_url(asked))
            count, samples = display.bounded_count(preview.count, at_least=preview.at_least), preview.samples
            is_none = preview.count == 0
        else:
            count, samples = display.whole(len(asked["ids"])), asked["ids"][: bulk_change.SAMPLES]
        return self.page(
            request,
            "admin/jobs/job/bulk.html",
            title=str(texts.all_title if is_all else texts.title),
            intervention=INTERVENTIONS[change.value],
            bulk=texts,
            is_all=is_all,
            is_none=is_none,
            count=count,
            words=asked.get("words", []),
            samples=self._samples(request, samples),
            wait=self._wait_of_new_job() if is_all else "",
            reason=form["reason"],
            asked=signing.dumps(asked, salt=SALT, compress=True),
            post_to=self.url_of("bulk"),
            back=self._list_url(asked),
        )

    def _list_url(self, asked: dict[str, Any]) -> str:
        return f"{self.url_of('changelist')}?{asked['back']}"

    def _samples(self, request: HttpRequest, ids: Sequence[int]) -> list[dict[str, Any]]:
        rows = Job.objects.defer("parameters", "receipt").select_related("project").in_bulk(ids)
        return [
            {
                "id": job.pk,
                "url": self.url_of("change", job.pk),
                "status": display.status(job.status),
                "project": job.project,
                "action": job.action,
                "reference": display.visible(
                    masked(job.reference_id) if hides_reference(request.user, job) else job.reference_id
                ),
            }
            for job in (rows[job_id] for job_id in ids if job_id in rows)
        ]

    def _wait_of_new_job(self) -> str:
        """Return why the job that makes the change would wait, as far as that is known before it is created."""
        now = clock.read(jobs_connection())
        job: Any = Job(pk=0, action=bulk_change.ACTION, status=Status.SCHEDULED.value, start_at=now, due_at=now)
        job.read_at, job.wait = now, explain_wait(job, now=now)
        return "" if job.wait is None or job.wait.reason is WaitReason.TURN else str(waits(job))

    def _change_all(self, request: HttpRequest, change: Change, asked: dict[str, Any], reason: str) -> HttpResponse:
        """Schedule a job that makes the change, and show that job."""
        project = bulk_change.staff_project()
        who = actor_of(request)
        if project is None:
            words = translated("Nothing was changed: JOBS[“STAFF_PROJECT”] no longer names a project for such a job.")
            self.message_user(request, words, messages.ERROR)
            return HttpResponseRedirect(self._list_url(asked))
        bulk = BulkChange(
            change=change,
            wanted=JobFilter.from_json(asked["filter"]),
            highest_id=asked["highest_id"],
            reason=reason,
            staff=who.name,
            request_id=who.request_id,
        )
        try:
            job = bulk_change.request_change(bulk, project=project)
        except InvalidField as invalid:
            form = ReasonForm(request.POST)
            form.add_error("reason", str(invalid))
            return self._confirmation(request, change, asked, form)
        except JobsError as error:
            self.message_user(request, why_not(error), messages.ERROR)
            return HttpResponseRedirect(self.url_of("changelist"))
        self.log_addition(request, job, translated("Requested: %(what)s.") % {"what": job.description})
        words = translated("This job changes all that match; its receipt says what was done, and why the rest was not.")
        self.message_user(request, words, messages.SUCCESS)
        return self.to_page_of(job)

    def _change_ticked(self, request: HttpRequest, change: Change, asked: dict[str, Any], reason: str) -> HttpResponse:
        """Change the ticked jobs one by one, also those that no longer match the list's filter."""
        jobs = Job.objects.select_related("project").in_bulk(asked["ids"])
        done: list[int] = []
        unchanged: dict[str, list[int]] = {}
        stop_at = time.monotonic() + BULK_SECONDS
        for job_id in asked["ids"]:
            problem = ""
            if job_id not in jobs:
                problem = translated("there is no such job")
            elif time.monotonic() > stop_at:
                problem = translated("not tried, as the other jobs took too long; choose them again")
            else:
                try:
                    self.call_service(request, jobs[job_id], INTERVENTIONS[change.value], reason)
                except JobsError as error:
                    problem = why_not(error)
            (unchanged.setdefault(problem, []) if problem else done).append(job_id)
        if done:
            self.message_user(request, TEXTS[change].done % _ids_in_words(done), messages.SUCCESS)
        for problem, ids in unchanged.items():
            words = TEXTS[change].not_done % {"problem": problem, **_ids_in_words(ids)}
            self.message_user(request, words, messages.WARNING)
        return HttpResponseRedirect(self._list_url(asked))


def _ids_in_words(ids: list[int]) -> dict[str, Any]:
    return {"count": len(ids), "ids": ", ".join(map(str, ids))}
