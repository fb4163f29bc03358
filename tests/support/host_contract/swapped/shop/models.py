"""The host's data about people, and its own models of users and projects."""

import secrets
from uuid import uuid4

from django.contrib.auth.models import AbstractUser
from django.db import models

from jobs.models import make_project_key


def make_public_id() -> int:
    """Return a number that JavaScript holds exactly."""
    return secrets.randbelow(2**53 - 1) + 1


class Customer(AbstractUser):
    """A user, with a UUID as primary key."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)


class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    public_id = models.BigIntegerField(unique=True, default=make_public_id)
    organization = models.ForeignKey("jobs.Organization", on_delete=models.PROTECT)
    key = models.CharField(max_length=40, unique=True, default=make_project_key)
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Session(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    user_id = models.CharField(max_length=200, db_index=True)

    def __str__(self) -> str:
        return f"{self.user_id} {self.pk}"


class SessionEvent(models.Model):
    session = models.ForeignKey(Session, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return str(self.pk)
