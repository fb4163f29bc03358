"""Pauses: what is halted, since when and why; made and lifted by ``pausejobs`` and ``resumejobs``."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .. import services
from ..models import Pause
from . import shown
from .pages import LookOnlyMixin


@admin.display(description=_("paused"))
def scope(pause: Pause) -> str:
    """Return what is paused, in words."""
    return services.scope_of(pause)


REASON = shown.column(shown.text, "reason", _("reason"))
SINCE = shown.column(shown.moment, "created_at", _("since"))
BY = shown.column(shown.text, "created_by", _("by"))


class PauseAdminMixin(LookOnlyMixin):
    """The pauses' pages; mix it with the ``ModelAdmin`` of your theme."""

    list_display = (scope, REASON, SINCE, BY)
    list_select_related = ("project",)
    ordering = ("id",)
    actions = None
    fieldsets: ClassVar[Any] = ((None, {"fields": (scope, REASON, SINCE, BY)}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return them all."""
        return self.list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse everybody: to halt work is up to those who operate it."""
        return False


@admin.register(Pause)
class PauseAdmin(PauseAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Pauses in Django's own admin."""
