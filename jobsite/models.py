"""The models of a session-replay product: recorded sessions and their events."""

from typing import ClassVar

from django.conf import settings
from django.db import models


class Session(models.Model):
    """One recorded visit of one user to a customer's product."""

    project = models.ForeignKey(settings.JOBS_PROJECT_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    # As the customer's product names its user, often by e-mail address; the ``reference_id`` of an erase.
    user_id = models.CharField(max_length=256)
    started_at = models.DateTimeField()
    duration = models.DurationField()
    # ISO 3166-1 alpha-2.
    country = models.CharField(max_length=2)
    # The path that the visit began on.
    page = models.CharField(max_length=200)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            # Count and erase one user's sessions in order of id; also serves the foreign key.
            models.Index(fields=["project", "user_id", "id"], name="jobsite_session_of_user"),
        ]

    def __str__(self) -> str:
        return f"session {self.pk}"


class SessionEvent(models.Model):
    """One thing that happened in a session."""

    class Kind(models.TextChoices):
        """What the recorder tells apart."""

        PAGE = "page", "page shown"
        CLICK = "click", "click"
        INPUT = "input", "input"

    # An erase of events uses its index, and so does the deletion of a session.
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=Kind)
    payload = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} (session {self.session_id})"
