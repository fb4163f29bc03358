"""The admin of pauses of an action or a project: list, add and lift, as ``pausejobs`` and ``resumejobs`` do."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from ..models import Pause
from ..services.commands.pauses import pause_jobs, resume_jobs
from .base import display
from .base.actors import in_words, names_of
from .base.forms import ServiceForm, ServiceFormMixin, action_choices, form_of
from .base.read_only import ReadOnlyMixin, actor_of, selected_ids

EVERY_ACTION: Final = "*"  # never the name of an action
MAX_REASON_CHARACTERS: Final = 500


def scope_words(pause: Pause) -> str:
    """Return what is paused, in words."""
    project: Any = pause.project
    named = {"action": pause.action, "project": None if project is None else project.key}
    if pause.action is None:
        words = translated("all jobs") if project is None else translated("jobs of project %(project)s")
    elif project is None:
        words = translated("jobs of action %(action)s")
    else:
        words = translated("jobs of action %(action)s in project %(project)s")
    return words % named


@admin.display(description=_("paused"))
def scope(pause: Pause) -> str:
    """Return the same for a page."""
    return display.text(scope_words(pause))


REASON: Final = display.column(display.text, "reason", _("reason"))
SINCE: Final = display.column(display.moment, "created_at", _("since"))
BY: Final = display.column(display.text, "author", _("by"))


class PauseChangeList(ChangeList):
    """A list that fetches the names of all authors on a page in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = _with_authors(self.result_list)


class PauseForm(ServiceForm):
    """What to pause, and why; in force from the moment that it is sent."""

    action = forms.ChoiceField(label=_("Action"))
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("A sentence for colleagues; monitoring prints it. No personal data, please."),
        max_length=MAX_REASON_CHARACTERS,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    class Meta:
        model = Pause
        fields = ("action", "project", "reason")
        labels = {"project": _("Project")}
        help_texts = {"project": _("Empty: in every project.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        nothing, *actions = action_choices()
        choices = [nothing, (EVERY_ACTION, _("every action")), *actions]
        self.fields["action"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["project"].required = False

    def call_service(self) -> Pause:
        """Pause; a pause that exists takes the new reason."""
        action = self.cleaned_data["action"]
        return pause_jobs(
            action=None if action == EVERY_ACTION else action,
            project=self.cleaned_data["project"],
            reason=self.cleaned_data["reason"],
            actor=self.actor,
        )


class PauseAdminMixin(ServiceFormMixin, ReadOnlyMixin):
    """The pages of pauses; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (scope, REASON, SINCE, BY)
    list_select_related = ("project",)
    ordering = ("id",)
    actions: Sequence[Any] = ("resume_selected",)
    raw_id_fields = ("project",)
    new_fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": ("action", "project", "reason"),
                "description": _("No further job of these is started until the pause is lifted. Running jobs go on."),
            },
        ),
    )
    fieldsets: ClassVar[Any] = ((None, {"fields": (scope, REASON, SINCE, BY)}),)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PauseChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        pause = super().get_object(request, object_id, from_field)
        return pause and _with_authors([pause])[0]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.new_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.list_display if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        ours = {} if obj else {"form": form_of(PauseForm, actor_of(request))}
        return super().get_form(request, obj, change, **ours, **kwargs)

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """Whether this user may lift pauses (``jobs.delete_pause``)."""
        return self.has_permission_to("delete", request)

    def button_urls(self) -> list[URLPattern]:
        return [*super().button_urls(), self.button_url("resume", self.resume_view)]

    def form_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        context = super().form_context(request, row)
        if row is not None and self.has_resume_permission(request):
            context["resume_url"] = self.url_of("resume", quote(row.pk))
        return context

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log what was paused, without the reason."""
        return super().log_addition(request, obj, translated("Paused %(scope)s.") % {"scope": scope_words(obj)})

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        words = translated("Paused %(scope)s. Running jobs go on.") % {"scope": scope_words(obj)}
        self.message_user(request, words, messages.SUCCESS)
        return self.to_list(request)

    @admin.action(permissions=["resume"], description=_("Lift selected pauses"))
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for pause in Pause.objects.filter(pk__in=selected_ids(request)).select_related("project").order_by("pk"):
            self._resume(request, pause)

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        pause = self.get_row(request, object_id, may=self.has_resume_permission(request))
        if request.method != "POST":
            return self.to_page_of(pause)
        self._resume(request, pause)
        return self.to_list(request)

    def _resume(self, request: HttpRequest, pause: Pause) -> None:
        named = {"scope": scope_words(pause)}
        if not resume_jobs(action=pause.action, project=pause.project):
            words = translated("Somebody else has lifted the pause of %(scope)s just now.") % named
            self.message_user(request, words, messages.WARNING)
            return
        self.log_change(request, pause, translated("Lifted the pause of %(scope)s.") % named)
        words = translated("Lifted the pause of %(scope)s. What another pause covers stays paused.") % named
        self.message_user(request, words, messages.SUCCESS)


def _with_authors(pauses: Iterable[Any]) -> list[Any]:
    found = list(pauses)
    names = names_of(pause.created_by for pause in found)
    for pause in found:
        pause.author = in_words(pause.created_by, names)
    return found


class PauseAdmin(PauseAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    """Pauses in Django's own admin."""
