"""Organizations (the customers) and their projects."""

import secrets
import string
from typing import ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY_LENGTH: Final = 20


def make_project_key() -> str:
    """Return 20 random characters [0-9A-Za-z]; a name, not a secret, yet not guessable."""
    return "".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH))


class Organization(models.Model):
    """A customer: owns projects and the API keys that reach them."""

    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    # Null unless disabled: since when its keys open nothing and its jobs are not claimed.
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [("disable_organization", "Can disable and enable an organization")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["name"], name="jobs_organization_unique_name")]
        # Each claim asks whether there is any.
        indexes: ClassVar = [
            models.Index(
                fields=["id"], condition=models.Q(disabled_at__isnull=False), name="jobs_organization_disabled"
            )
        ]

    def __str__(self) -> str:
        return self.name


class AbstractProject(models.Model):
    """What jobs need of a project; derive from it, or offer ``organization`` and ``key`` yourself.

    ``projectId`` of the public API is the primary key if that is an integer, else the
    integer field ``public_id``, which such a project must add.
    """

    organization = models.ForeignKey("jobs.Organization", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=KEY_LENGTH, default=make_project_key, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        # Constraints, not unique=True, which on PostgreSQL builds a second index for LIKE that nothing asks.
        constraints: ClassVar = [models.UniqueConstraint(fields=["key"], name="%(app_label)s_%(class)s_unique_key")]

    def __str__(self) -> str:
        return self.name


class Project(AbstractProject):
    """The project of a host that has none of its own (setting ``JOBS_PROJECT_MODEL``)."""

    class Meta(AbstractProject.Meta):
        abstract = False
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        swappable = "JOBS_PROJECT_MODEL"
        constraints: ClassVar = [
            *AbstractProject.Meta.constraints,
            models.UniqueConstraint(fields=["organization", "name"], name="jobs_project_unique_name"),
        ]
