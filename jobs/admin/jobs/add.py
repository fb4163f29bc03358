"""The form that adds a job, through the service that serves integrators' requests."""

import json
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminSplitDateTime, AdminTextareaWidget
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ...exceptions import ActiveJobExists
from ...models import Job
from ...services.commands.schedule import schedule_job
from ..base.forms import ServiceForm, ServiceFormMixin, action_choices, form_of
from ..base.read_only import ReadOnlyMixin, actor_of


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

    # Set by `AddJobMixin`: returns the URL of a job's page.
    page_of: ClassVar[Any]

    def call_service(self) -> Job:
        given = self.cleaned_data
        return schedule_job(
            given["action"],
            project=given["project"],
            reference_id=given["reference_id"],
            start_at=given["start_at"],
            description=given["description"] or None,
            parameters=given["parameters"],
            actor=self.actor,
        )

    def clean(self) -> dict[str, Any]:
        """Add an error that links to the active job, if the action allows only one."""
        try:
            return super().clean()
        except ActiveJobExists as refused:
            words = translated("Such a job already waits or runs: %(job)s.") % {"job": "{}"}
            link = format_html('<a href="{}">{}</a>', self.page_of(refused.job), refused.job.pk)
            self.add_error("reference_id", format_html(words, link))
        return self.cleaned_data


class AddJobMixin(ServiceFormMixin, ReadOnlyMixin):
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
            page_of = staticmethod(lambda job: self.url_of("change", job.pk))
            kwargs["form"] = form_of(NewJobForm, actor_of(request), page_of=page_of)
        return super().get_form(request, obj, change, **kwargs)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Show the new job; the message names it by its id only, as it may be shown on another page."""
        self.message_user(request, translated("Job %(job)s is scheduled.") % {"job": obj.pk}, messages.SUCCESS)
        return self.to_page_of(obj) if self.has_view_permission(request, obj) else self.to_list(request)
