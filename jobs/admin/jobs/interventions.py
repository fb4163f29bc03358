"""Interventions: the buttons by which staff run, hold, resume, retry or cancel one job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ...exceptions import (
    Busy,
    ConcurrentChange,
    InvalidField,
    JobNotFound,
    JobsError,
    OutcomeUnknown,
    StepRefused,
    TransitionRefused,
)
from ...models import Job
from ...services.commands import bulk_change
from ...services.commands.cancel import cancel_job
from ...services.commands.interventions import hold_job, resume_job, run_job_now
from ...services.commands.retry import retry_job
from ...status import RefusalReason, Status
from ..base import display
from ..base.read_only import ReadOnlyMixin, actor_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

ENDED: Final = {
    Status.COMPLETED: _("it was completed meanwhile"),
    Status.FAILED: _("it failed meanwhile"),
    Status.CANCELLED: _("it was cancelled meanwhile"),
}
WHY_NOT: Final = {
    RefusalReason.RUNNING: _("a worker started it meanwhile"),
    RefusalReason.HELD: _("it is held"),
    RefusalReason.NOT_HELD: _("it is not held any more"),
    RefusalReason.DUE_ALREADY: _("it is already due and waits for its turn"),
    RefusalReason.NOT_FAILED: _("only a failed job can be retried, and this one is %(status)s"),
    RefusalReason.RETRIED: _("job %(other)s already retries it"),
    RefusalReason.REDACTED: _("it was redacted, so it is no longer known whom it was about"),
    RefusalReason.UNKNOWN_ACTION: _("its action no longer exists"),
    RefusalReason.BULK_CHANGE: _(
        "it changes jobs in the name of the person who requested it; request the change anew instead"
    ),
    RefusalReason.ACTIVE_JOB: _("job %(other)s for the same reference waits or runs"),
}


@dataclass(frozen=True, kw_only=True)
class Intervention:
    """What staff can do with one job: the permission, the service, the texts, and for which jobs it is offered."""

    permission: str
    service: Callable[..., Job]
    title: "_StrPromise"
    explanation: "_StrPromise"
    button: "_StrPromise"
    done: "_StrPromise"
    not_done: "_StrPromise"
    logged: "_StrPromise"
    is_offered: Callable[[Any], bool]
    """Gets the job as ``JobPageMixin.get_object`` reads it."""
    is_dangerous: bool = False


# By the name in the URL.
INTERVENTIONS: Final = {
    "run": Intervention(
        permission="run",
        service=run_job_now,
        title=_("Run this job now…"),
        explanation=_("It is due at once instead of at its time; a worker claims it when it is its turn."),
        button=_("Run the job now"),
        done=_("Job %(id)s is due now."),
        not_done=_("Job %(id)s was not made due: %(problem)s."),
        logged=_("Made due at once."),
        is_offered=lambda job: job.status == Status.SCHEDULED and not job.is_held and job.due_at > job.read_at,
    ),
    "hold": Intervention(
        permission="hold",
        service=hold_job,
        title=_("Hold this job…"),
        explanation=_("No worker claims it until it is resumed here."),
        button=_("Hold the job"),
        done=_("Job %(id)s is held."),
        not_done=_("Job %(id)s was not held: %(problem)s."),
        logged=_("Held."),
        is_offered=lambda job: job.status == Status.SCHEDULED and not job.is_held,
    ),
    "resume": Intervention(
        permission="hold",
        service=resume_job,
        title=_("Resume this job…"),
        explanation=_("It runs at its start, or at once if that is past."),
        button=_("Resume the job"),
        done=_("Job %(id)s is resumed."),
        not_done=_("Job %(id)s was not resumed: %(problem)s."),
        logged=_("Resumed."),
        is_offered=lambda job: job.is_held,
    ),
    "retry": Intervention(
        permission="retry",
        service=retry_job,
        title=_("Retry this job…"),
        explanation=_(
            "A new job does the same for the same reference; this one stays as it is. A job is retried once."
        ),
        button=_("Retry the job"),
        done=_("Job %(id)s is retried by this job, %(new)s."),
        not_done=_("Job %(id)s was not retried: %(problem)s."),
        logged=_("Retried by job %(new)s."),
        is_offered=lambda job: (
            job.status == Status.FAILED and bool(job.reference_id) and job.action != bulk_change.ACTION
        ),
    ),
    "cancel": Intervention(
        permission="cancel",
        service=cancel_job,
        title=_("Cancel this job…"),
        explanation=_(
            "The job stops and changes nothing more. What it has changed stays changed; its receipt lists it. "
            "A cancelled job cannot be started again."
        ),
        button=_("Cancel the job"),
        done=_("Cancelled job %(id)s."),
        not_done=_("Job %(id)s was not cancelled: %(problem)s."),
        logged=_("Cancelled."),
        is_offered=lambda job: not Status(job.status).is_final,
        is_dangerous=True,
    ),
}


class ReasonForm(forms.Form):
    """The reason of an intervention."""

    reason = forms.CharField(
        label=_("Reason (optional)"),
        help_text=_("Kept with the job's events and read by staff. No personal data, please."),
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


class InterventionsMixin(ReadOnlyMixin):
    """The views behind the buttons; a user sees those that the job's status and the permissions allow."""

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether this user may cancel jobs (``jobs.cancel_job``)."""
        return self.has_permission_to("cancel", request)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whether this user may retry failed jobs (``jobs.retry_job``)."""
        return self.has_permission_to("retry", request)

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Whether this user may make jobs due now (``jobs.run_job``)."""
        return self.has_permission_to("run", request)

    def has_hold_permission(self, request: HttpRequest) -> bool:
        """Whether this user may hold and resume jobs (``jobs.hold_job``)."""
        return self.has_permission_to("hold", request)

    def button_urls(self) -> list[URLPattern]:
        return [*super().button_urls(), *(self.button_url(name, self._view_of(name)) for name in INTERVENTIONS)]

    def interventions_for(self, request: HttpRequest, job: Job) -> list[dict[str, Any]]:
        """Return the interventions that this user may take with the job as it was read."""
        return [
            {
                "name": name,
                "intervention": intervention,
                "url": self.url_of(name, quote(job.pk)),
                "reason": ReasonForm(auto_id=f"id_{name}_%s")["reason"],
            }
            for name, intervention in INTERVENTIONS.items()
            if intervention.is_offered(job) and self.has_permission_to(intervention.permission, request)
        ]

    def _view_of(self, name: str) -> Callable[[HttpRequest, str], HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            intervention = INTERVENTIONS[name]
            job = self.get_row(request, object_id, may=self.has_permission_to(intervention.permission, request))
            form = ReasonForm(request.POST)
            # A GET comes from the login page after an expired session: the user presses the button again.
            if request.method == "POST" and form.is_valid():
                return self.to_page_of(self._intervene(request, job, intervention, form.cleaned_data["reason"]))
            if request.method == "POST":
                self.message_user(request, " ".join(map(str, form.errors["reason"])), messages.ERROR)
            return self.to_page_of(job)

        return view

    def _intervene(self, request: HttpRequest, job: Job, intervention: Intervention, reason: str) -> Job:
        """Intervene and report the result; return the job to show next."""
        try:
            changed = self.call_service(request, job, intervention, reason)
        except JobsError as error:
            words = str(intervention.not_done) % {"id": job.pk, "problem": why_not(error)}
            self.message_user(request, words, messages.WARNING)
            return job
        self.message_user(request, str(intervention.done) % {"id": job.pk, "new": changed.pk}, messages.SUCCESS)
        return changed

    def call_service(self, request: HttpRequest, job: Job, intervention: Intervention, reason: str) -> Job:
        """Call the service and log the change, without naming a person; return the changed job, or the retry.

        Raises:
            JobsError: the service's; :func:`why_not` explains it.
        """
        changed = intervention.service(job.pk, project=job.project, actor=actor_of(request), reason=reason)
        self.log_change(request, job, str(intervention.logged) % {"id": job.pk, "new": changed.pk})
        return changed


def why_not(error: JobsError) -> str:
    """Return why a job was not changed, in words for staff.

    Raises:
        JobsError: the error itself, if it is none that an intervention raises.
    """
    if isinstance(error, TransitionRefused) or (isinstance(error, StepRefused) and error.why is RefusalReason.ENDED):
        return str(ENDED[error.status])
    if isinstance(error, StepRefused):
        return str(WHY_NOT[error.why]) % {"status": display.STATUS_WORDS[error.status], "other": error.other_job_id}
    if isinstance(error, Busy | ConcurrentChange):
        return translated("busy just now and unchanged; try again in a moment")
    if isinstance(error, OutcomeUnknown):
        return translated("the connection to the database was lost while it was being saved; check whether it was done")
    if isinstance(error, JobNotFound):
        return translated("there is no such job")
    if isinstance(error, InvalidField):  # the reason
        return str(error)
    raise error
