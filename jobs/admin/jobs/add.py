"""Adding a job: through the service that integrators' requests go through, with the same refusals."""

import json
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminSplitDateTime, AdminTextareaWidget
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ...exceptions import ActiveJobExists
from ...models import Job
from ...services.commands.schedule import schedule_job
from ..base.forms import AskingForm, AsksServiceMixin, action_choices, asked_by
from ..base.read_only import LookOnlyMixin, staff


class ParametersField(forms.CharField):
    """JSON, shown again as it was typed; nested deeper than Python reads, it is as wrong as any other text."""

    def to_python(self, value: Any) -> Any:
        """Return what the text says; None if it is empty."""
        text = super().to_python(value)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            raise forms.ValidationError(_("Enter a JSON object."), code="invalid") from None


class StartWidget(AdminSplitDateTime):
    """Django's two fields, each with a name: what stands before them is no label."""

    def __init__(self) -> None:
        """Name them."""
        super().__init__()
        for widget, name in zip(self.widgets, (_("Date of the start"), _("Time of the start")), strict=True):
            widget.attrs["aria-label"] = name


class NewJobForm(AskingForm):
    """A job as somebody asks for it."""

    action = forms.ChoiceField(label=_("Action"))
    reference_id = forms.CharField(
        label=_("Reference"),
        help_text=_("What it is about, exactly; for an erase, the user's id."),
        strip=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )
    start_at = forms.SplitDateTimeField(
        label=_("Start"),
        help_text=_("Empty: when such jobs usually start. A time that has passed means now."),
        required=False,
        widget=StartWidget,
    )
    description = forms.CharField(
        label=_("Description"),
        help_text=_("Empty: the action's own."),
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

    # Set by `AddsJobs`: the address of a job's page.
    page_of: ClassVar[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the actions that are registered now, also those that integrators may not ask for."""
        super().__init__(*args, **kwargs)
        self.fields["action"].choices = action_choices()  # type: ignore[attr-defined]  # a ChoiceField

    def ask(self) -> Job:
        """Schedule the job."""
        given = self.cleaned_data
        return schedule_job(
            given["action"],
            project=given["project"],
            reference_id=given["reference_id"],
            start_at=_aware(given["start_at"]),
            description=given["description"] or None,
            parameters=given["parameters"],
            actor=self.actor,
        )

    def clean(self) -> dict[str, Any]:
        """Ask, and name the job that is in the way of another one."""
        try:
            return super().clean()
        except ActiveJobExists as refused:
            words = translated("There is one already that waits or runs: %(job)s.") % {"job": "{}"}
            link = format_html('<a href="{}">{}</a>', self.page_of(refused.job), refused.job.pk)
            self.add_error("reference_id", format_html(words, link))
        return self.cleaned_data


class AddsJobs(AsksServiceMixin, LookOnlyMixin):
    """For the jobs' pages: those with ``jobs.add_job`` may ask for a job; nobody may change one."""

    add_form_template = "admin/change_form.html"  # ours is for what a job has once it is there
    raw_id_fields = ("project",)
    new_fieldsets: ClassVar[Any] = (
        (None, {"fields": ("project", "action", "reference_id", "start_at")}),
        (_("More"), {"fields": ("description", "parameters"), "classes": ("collapse",)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked for a new job, or shown of one."""
        return super().get_fieldsets(request, obj) if obj else self.new_fieldsets

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Complete the project where it can be."""
        return ("project",) if self.completes_projects(request) else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ask with our form; a job's page needs none."""
        if obj is None:
            kwargs["form"] = asked_by(
                NewJobForm, staff(request), page_of=staticmethod(lambda job: self.url_of("change", job.pk))
            )
        return super().get_form(request, obj, change, **kwargs)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Say which job it is, and show it; nothing personal is told."""
        self.message_user(request, translated("Job %(job)s is scheduled.") % {"job": obj.pk}, messages.SUCCESS)
        return self.to_page_of(obj) if self.has_view_permission(request, obj) else self.to_list(request)


def _aware(start_at: datetime | None) -> datetime | None:
    """Return the instant that was typed, also where the host's datetimes are naive."""
    return timezone.make_aware(start_at) if start_at is not None and timezone.is_naive(start_at) else start_at
