"""Three tables of a host with what it knows of a user: sessions, their events, and uploads."""

from typing import ClassVar

from django.db import models


class Session(models.Model):
    user_id = models.CharField(max_length=256)
    started_at = models.DateTimeField()
    page = models.CharField(max_length=200)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user_id", "id"], name="scale_session_of_user")]

    def __str__(self) -> str:
        return f"session {self.pk}"


class Event(models.Model):
    session = models.ForeignKey(Session, on_delete=models.CASCADE)
    at = models.DateTimeField()
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return f"event {self.pk}"


class Upload(models.Model):
    user_id = models.CharField(max_length=256)
    at = models.DateTimeField()
    name = models.CharField(max_length=100)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user_id", "id"], name="scale_upload_of_user")]

    def __str__(self) -> str:
        return f"upload {self.pk}"
