"""The form that adds a job, through the service that serves integrators' requests.

A job with an erase map is created in two posts: the first shows what it would do, and creates nothing. The second
repeats all fields with the plan and the number of rows that were shown, which must still hold.
"""

import json
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminSplitDateTime, AdminTextareaWidget
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ...db import clock
from ...db.connection import jobs_connection
from ...erasure.subjects import mapped_actions
from ...exceptions import ActiveJobExists, NothingFound, PlanChanged, TooSlow
from ...models import Job
from ...services.commands.schedule import Expectation, NewJob, prepare_job, request_job
from ...services.search.staff_filter import parse_id
from ..base import display
from ..base.forms import ServiceForm, ServiceFormMixin, action_choices, form_of
from ..base.read_only import actor_of
from .erasure import EraseMapsMixin, preview_of

CHANGED_MEANWHILE: Final = {
    PlanChanged: _("No job was created: its erase map has changed meanwhile. This is what the job would do now."),
    NothingFound: _("No job was created: fewer rows were found than before. This is what the job would do now."),
    TooSlow: _("No job was created: it took too long to find out whether these rows are still there. Try again."),
}


class ParametersField(forms.CharField):
    """JSON, shown again as it was typed."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):  # RecursionError: nested deeper than Python reads
            raise forms.ValidationError(_("Enter a JSON object."), code="invalid") from None


class StartWidget(AdminSplitDateTime):
    """Django's two inputs, each with an accessible name: the label before them belongs to neither."""

    def __init__(self) -> None:
        super().__init__()
        for widget, name in zip(self.widgets, (_("Date of the start"), _("Time of the start")), strict=True):
            widget.attrs["aria-label"] = name


class NewJobForm(ServiceForm):
    """A new job."""

    action = forms.ChoiceField(label=_("Action"), choices=action_choices)
    reference_id = forms.CharField(
        label=_("Reference"),
        help_text=_("Exactly whom or what the job is about; for an erasure, the id of the user."),
        strip=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )
    start_at = forms.SplitDateTimeField(
        label=_("Start"),
        help_text=_("Empty: the action's usual start. A time in the past means now."),
        required=False,
        widget=StartWidget,
    )
    description = forms.CharField(
        label=_("Description"),
        help_text=_("Empty: the description of the action."),
        required=False,
        strip=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    parameters = ParametersField(
        label=_("Parameters"),
        help_text=_("A JSON object, for actions that take one."),
        required=False,
        widget=AdminTextareaWidget(attrs={"rows": 4}),
    )

    class Meta:
        model = Job
        fields = ("project", "action", "reference_id", "start_at", "description", "parameters")
        labels = {"project": _("Project")}

    # Set by `AddJobMixin`: returns the URL of a job's page, and what was shown before.
    page_of: ClassVar[Any]
    expect: ClassVar[Expectation | None]

    def new_job(self) -> NewJob:
        """Return what was asked for."""
        given = self.cleaned_data
        return NewJob(
            action=given["action"],
            reference_id=given["reference_id"],
            start_at=given["start_at"],
            description=given["description"] or None,
            parameters=given["parameters"],
            expect=self.expect,
        )

    def call_service(self) -> Job:
        return request_job(self.new_job, project=self.cleaned_data["project"], actor=self.actor).jobs[0]

    def clean(self) -> dict[str, Any]:
        """Add an error that links to the active job, if the action allows only one."""
        try:
            return super().clean()
        except ActiveJobExists as refused:
            words = translated("Such a job already waits or runs: %(job)s.") % {"job": "{}"}
            link = format_html('<a href="{}">{}</a>', self.page_of(refused.job), refused.job.pk)
            self.add_error("reference_id", format_html(words, link))
        return self.cleaned_data


class DraftForm(NewJobForm):
    """The same before the preview: it is checked, and never valid in the eyes of Django, so that nothing is created."""

    def call_service(self) -> Job:
        """Return the job as it would be created."""
        return prepare_job(self.new_job(), project=self.cleaned_data["project"], now=clock.read(jobs_connection()))

    def is_valid(self) -> bool:
        return False


class AddJobMixin(ServiceFormMixin, EraseMapsMixin):
    """The page that adds a job, for users with ``jobs.add_job``."""

    add_form_template = "admin/change_form.html"  # ours shows a stored job
    raw_id_fields = ("project",)
    new_fieldsets: ClassVar[Any] = (
        (None, {"fields": ("project", "action", "reference_id", "start_at")}),
        (_("More"), {"fields": ("description", "parameters"), "classes": ("collapse",)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.new_fieldsets

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            expect = _shown_before(request)
            form = NewJobForm if expect is not None or not _has_map(request) else DraftForm
            page_of = staticmethod(lambda job: self.url_of("change", job.pk))
            kwargs.setdefault("form", form_of(form, actor_of(request), page_of=page_of, expect=expect))
        return super().get_form(request, obj, change, **kwargs)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show what a job with an erase map would do, before it is created.

        Rows are counted outside the transaction of Django's view, which on SQLite may keep all other writers waiting.
        """
        is_edited = request.method != "POST" or "_edit" in request.POST
        if is_edited or not _has_map(request) or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        told = ""
        if _shown_before(request) is not None:
            form = self.get_form(request)(request.POST)
            try:
                if form.is_valid():
                    self.log_addition(request, form.created, [{"added": {}}])
                    return self.response_add(request, form.created)
                return super().add_view(request, form_url, extra_context)
            except (PlanChanged, NothingFound, TooSlow) as changed:
                told = str(CHANGED_MEANWHILE[type(changed)])
        draft = self.get_form(request, form=form_of(DraftForm, actor_of(request), expect=None))(request.POST)
        if draft.errors:
            return super().add_view(request, form_url, extra_context)
        return self._show_draft(request, draft, told)

    def _show_draft(self, request: HttpRequest, draft: Any, told: str) -> HttpResponse:
        """Show what the job would do, with the button that creates it; ``told`` says why it was not created before."""
        job = draft.created
        return self.page(
            request,
            "admin/jobs/job/ask.html",
            title=translated("Ask for this job?"),
            told=told,
            job=job,
            reference=display.visible(job.reference_id),
            start=display.moment(job.start_at),
            draft=draft,
            preview=preview_of(job.action, project=job.project, reference_id=job.reference_id),
            erase_maps_url=self.erase_maps_url(),
        )

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Show the new job; the message names it by its id only, as it may be shown on another page."""
        self.message_user(request, translated("Job %(job)s is scheduled.") % {"job": obj.pk}, messages.SUCCESS)
        return self.to_page_of(obj) if self.has_view_permission(request, obj) else self.to_list(request)


def _has_map(request: HttpRequest) -> bool:
    """Whether the action that was chosen has an erase map."""
    return request.POST.get("action") in mapped_actions()


def _shown_before(request: HttpRequest) -> Expectation | None:
    """Return what the user was shown before the button was pressed; None: no preview."""
    plan = "" if "_edit" in request.POST else request.POST.get("plan", "")
    return Expectation(plan=plan, at_least=parse_id(request.POST.get("at_least", ""))) if plan else None
