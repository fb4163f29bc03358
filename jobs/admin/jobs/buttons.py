"""The buttons of a job's page: each a step of its own, with a permission, a reason, and an answer that is true."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
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
from ..base.read_only import LookOnlyMixin, staff

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

ENDED: Final = {
    Status.COMPLETED: _("it had been completed meanwhile"),
    Status.FAILED: _("it had failed meanwhile"),
    Status.CANCELLED: _("it had been cancelled meanwhile"),
}
WHY_NOT: Final = {
    RefusalReason.RUNNING: _("a worker had begun it meanwhile"),
    RefusalReason.HELD: _("it is held"),
    RefusalReason.NOT_HELD: _("it is not held any more"),
    RefusalReason.DUE_ALREADY: _("it is due already and waits for its turn"),
    RefusalReason.NOT_FAILED: _("only a failed job can be retried, and this one is %(status)s"),
    RefusalReason.RETRIED: _("job %(other)s tries it again already"),
    RefusalReason.REDACTED: _("it was redacted, and nobody knows any longer whom it was about"),
    RefusalReason.UNKNOWN_ACTION: _("its action no longer exists"),
    RefusalReason.BULK_CHANGE: _("it changes jobs in the name of whoever asked for it; make the change anew instead"),
    RefusalReason.ACTIVE_JOB: _("job %(other)s for the same reference waits or runs"),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One button: its address, the permission, the words, and when it is offered."""

    name: str
    permission: str
    service: Callable[..., Job]
    title: "_StrPromise"
    explanation: "_StrPromise"
    button: "_StrPromise"
    done: "_StrPromise"
    not_done: "_StrPromise"
    logged: "_StrPromise"
    is_offered: Callable[[Job], bool]
    is_dangerous: bool = False


_STEPS: Final = (
    Step(
        name="run",
        permission="run",
        service=run_job_now,
        title=_("Run this job now…"),
        explanation=_("It is due at once instead of at its time; a worker takes it when it is its turn."),
        button=_("Run the job now"),
        done=_("Job %(id)s is due now."),
        not_done=_("Job %(id)s was not made due: %(problem)s."),
        logged=_("Made due at once."),
        is_offered=lambda job: job.status == Status.SCHEDULED and not job.is_held and job.due_at > looked_at(job),
    ),
    Step(
        name="hold",
        permission="hold",
        service=hold_job,
        title=_("Hold this job…"),
        explanation=_("No worker takes it until it is resumed here."),
        button=_("Hold the job"),
        done=_("Job %(id)s is held."),
        not_done=_("Job %(id)s was not held: %(problem)s."),
        logged=_("Held."),
        is_offered=lambda job: job.status == Status.SCHEDULED and not job.is_held,
    ),
    Step(
        name="resume",
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
    Step(
        name="retry",
        permission="retry",
        service=retry_job,
        title=_("Retry this job…"),
        explanation=_(
            "A new job does the same for the same reference; this one stays as it is. A job is retried once."
        ),
        button=_("Retry the job"),
        done=_("Job %(id)s is tried again by this job, %(new)s."),
        not_done=_("Job %(id)s was not retried: %(problem)s."),
        logged=_("Retried by job %(new)s."),
        is_offered=lambda job: (
            job.status == Status.FAILED and bool(job.reference_id) and job.action != bulk_change.ACTION
        ),
    ),
    Step(
        name="cancel",
        permission="cancel",
        service=cancel_job,
        title=_("Cancel this job…"),
        explanation=_(
            "From then on it changes nothing more. What it has done before stays done; its receipt says what. "
            "A cancelled job cannot be started again."
        ),
        button=_("Cancel the job"),
        done=_("Cancelled job %(id)s."),
        not_done=_("Job %(id)s was not cancelled: %(problem)s."),
        logged=_("Cancelled."),
        is_offered=lambda job: not Status(job.status).is_final,
        is_dangerous=True,
    ),
)


STEPS: Final[dict[str, Step]] = {step.name: step for step in _STEPS}


class ReasonForm(forms.Form):
    """What may be said with a step."""

    reason = forms.CharField(
        label=_("Reason (optional)"),
        help_text=_("Kept with the job's events and read by staff. No personal data, please."),
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


class StepsInMixin(LookOnlyMixin):
    """Buttons that call services; which of them a user sees depends on the job and on permissions."""

    def may_step_in(self, request: HttpRequest, permission: str) -> bool:
        """Whether this user has a permission for steps, e.g. ``retry``; seeing jobs is another one."""
        return request.user.has_perm(f"{self.opts.app_label}.{get_permission_codename(permission, self.opts)}")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether this user may cancel jobs (``jobs.cancel_job``)."""
        return self.may_step_in(request, "cancel")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whether this user may retry failed jobs (``jobs.retry_job``)."""
        return self.may_step_in(request, "retry")

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Whether this user may let jobs run now (``jobs.run_job``)."""
        return self.may_step_in(request, "run")

    def has_hold_permission(self, request: HttpRequest) -> bool:
        """Whether this user may hold and resume jobs (``jobs.hold_job``)."""
        return self.may_step_in(request, "hold")

    def button_urls(self) -> list[URLPattern]:
        """Add the addresses behind the buttons."""
        return [*super().button_urls(), *(self.button_url(name, self._view_of(name)) for name in STEPS)]

    def steps_for(self, request: HttpRequest, job: Job) -> list[dict[str, Any]]:
        """Return the steps that this user may take with the job as it was read."""
        return [
            {
                "step": step,
                "url": self.url_of(step.name, quote(job.pk)),
                "reason": ReasonForm(auto_id=f"id_{step.name}_%s")["reason"],
            }
            for step in STEPS.values()
            if step.is_offered(job) and self.may_step_in(request, step.permission)
        ]

    def step_view(self, request: HttpRequest, object_id: str, step: Step) -> HttpResponse:
        """Take one step, and show the page again with what really happened."""
        if not (self.has_view_permission(request) and self.may_step_in(request, step.permission)):
            raise PermissionDenied
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        form = ReasonForm(request.POST)
        # A GET comes from the login page, where an expired session led; pressing the button again is up to the user.
        if request.method == "POST" and form.is_valid():
            return self.to_page_of(self._take(request, job, step, form.cleaned_data["reason"]))
        if request.method == "POST":
            self.message_user(request, " ".join(map(str, form.errors["reason"])), messages.ERROR)
        return self.to_page_of(job)

    def _view_of(self, name: str) -> Callable[[HttpRequest, str], HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            return self.step_view(request, object_id, STEPS[name])

        return view

    def _take(self, request: HttpRequest, job: Job, step: Step, reason: str) -> Job:
        """Take the step, log it and tell it; return the job whose page comes next. The log names no person."""
        try:
            changed = step.service(job.pk, project=job.project, actor=staff(request), reason=reason)
        except JobsError as error:
            words = str(step.not_done) % {"id": job.pk, "problem": why_not(error)}
            self.message_user(request, words, messages.WARNING)
            return job
        facts = {"id": job.pk, "new": changed.pk}
        self.log_change(request, job, str(step.logged) % facts)
        self.message_user(request, str(step.done) % facts, messages.SUCCESS)
        return changed


def looked_at(job: Job) -> Any:
    """Return the database's time at which the job was read for its page."""
    return job.looked_at  # type: ignore[attr-defined]  # annotated by `get_object`


def why_not(error: JobsError) -> str:
    """Return why a step was not taken, in words for staff.

    Raises:
        JobsError: the error itself, if none of the use cases raises it.
    """
    if isinstance(error, TransitionRefused) or (isinstance(error, StepRefused) and error.why is RefusalReason.ENDED):
        return str(ENDED[error.status])
    if isinstance(error, StepRefused):
        return str(WHY_NOT[error.why]) % {"status": display.STATUS_WORDS[error.status], "other": error.other_job_id}
    if isinstance(error, Busy | ConcurrentChange):
        return translated("busy just now and unchanged; try again in a moment")
    if isinstance(error, OutcomeUnknown):
        return translated("the database was lost while it was being saved, so look whether it was done or not")
    if isinstance(error, JobNotFound):
        return translated("there is no such job")
    if isinstance(error, InvalidField):  # the reason
        return str(error)
    raise error
