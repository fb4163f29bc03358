"""The host's data about people."""

from django.db import models


class Session(models.Model):
    project = models.ForeignKey("jobs.Project", on_delete=models.CASCADE)
    user_id = models.CharField(max_length=200, db_index=True)

    def __str__(self) -> str:
        return f"{self.user_id} {self.pk}"


class SessionEvent(models.Model):
    session = models.ForeignKey(Session, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return str(self.pk)
