"""The forms that create and replace an API key."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from ...exceptions import InvalidField
from ...models import SCOPES, ApiKey
from ...services.tenants.api_keys import check_api_key
from ..base.forms import ServiceForm

SCOPE_WORDS: Final = {
    "read": _("read – list and read jobs"),
    "create": _("create – ask for new jobs, erasures among them"),
    "cancel": _("cancel – cancel jobs"),
}
OVERLAPS: Final = {
    0: _("not at all: it ends at once"),
    1: _("for 1 hour"),
    24: _("for 1 day"),
    72: _("for 3 days"),
    168: _("for 7 days"),
    720: _("for 30 days"),
    2160: _("for 90 days"),
}
USUAL_OVERLAP: Final = 24


class NewKeyForm(ServiceForm):
    """What a new key may do, where, and for how long."""

    form_fields: ClassVar[Mapping[str, str]] = {"lifetime": "lifetime_days"}

    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope, SCOPE_WORDS[scope]) for scope in SCOPES],
        initial=["read"],
        widget=forms.CheckboxSelectMultiple,
    )
    lifetime_days = forms.IntegerField(
        label=_("Lifetime in days"), help_text=_("Empty: it works until it is revoked."), required=False
    )

    class Meta:
        model = ApiKey
        fields = ("organization", "project", "name", "scopes")
        labels = {"organization": _("Organization"), "project": _("Project"), "name": _("Name")}
        help_texts = {
            "project": _("Empty: it opens every project of the organization."),
            "name": _("Who uses it and what for, so that it can be told apart from others."),
        }

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the service, if the form has no errors."""
        days = self.cleaned_data["lifetime_days"]  # bounded to what a timedelta takes; the service refuses the bounds
        return {
            "organization": self.cleaned_data["organization"],
            "project": self.cleaned_data["project"],
            "scopes": self.cleaned_data["scopes"],
            "lifetime": None if days is None else timedelta(days=max(0, min(days, 999_999))),
        }

    def clean(self) -> dict[str, Any]:
        """Have the service check the key; it is created in ``save_form``, when nothing else can fail."""
        if not self.errors:
            try:
                check_api_key(**self.arguments())
            except InvalidField as refused:
                self.add_problem(refused)
        return self.cleaned_data


class ReplaceForm(forms.Form):
    """For how long the old key goes on working after it was replaced."""

    overlap_hours = forms.TypedChoiceField(
        label=_("The old key goes on working"),
        choices=list(OVERLAPS.items()),
        coerce=int,
        initial=USUAL_OVERLAP,
        widget=forms.Select(attrs={"form": "jobs-rotate"}),
    )
