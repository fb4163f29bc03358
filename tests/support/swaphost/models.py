"""A project model that has only what the README asks for."""

import secrets
from uuid import uuid4

from django.db import models

from jobs.models import make_project_key


def make_public_id() -> int:
    """Return a number that JavaScript holds exactly."""
    return secrets.randbelow(2**53 - 1) + 1


class Workspace(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    public_id = models.BigIntegerField(unique=True, default=make_public_id)
    organization = models.ForeignKey("jobs.Organization", on_delete=models.PROTECT, related_name="workspaces")
    key = models.CharField(max_length=40, unique=True, default=make_project_key)
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name
