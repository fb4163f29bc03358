"""The recorded sessions in the admin, read-only, to see what an erase has left."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from jobsite.models import Session


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Read-only; found by the user's id, exactly."""

    list_display = ("id", "user_id", "project", "started_at", "duration", "country", "page")
    list_select_related = ("project",)
    list_per_page = 50
    search_fields = ("user_id__exact",)
    search_help_text = "Finds the sessions of one user by the whole id, such as mehdi@example.com."
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the search finds sessions: any other column in a URL would be an unbounded search."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sessions are recorded, not added by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nor are they changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Sessions are deleted by a job, which counts them in its receipt."""
        return False
