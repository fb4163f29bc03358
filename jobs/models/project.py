"""Organizations (customers) and their projects."""

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
    """A customer, with its projects and the API keys for them."""

    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    # Since when it is disabled: its API keys are refused and its jobs are not claimed. Null: it is not.
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [("disable_organization", "Can disable and enable an organization")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["name"], name="jobs_organization_unique_name")]
        # Every claim asks whether any organization is disabled.
        indexes: ClassVar = [
            models.Index(
                fields=["id"], condition=models.Q(disabled_at__isnull=False), name="jobs_organization_disabled"
            )
        ]

    def __str__(self) -> str:
        return self.name


class AbstractProject(models.Model):
    """A base for the host's project model, with the fields that jobs need: ``organization`` and ``key``.

    ``projectId`` of the public API is the primary key if that is an integer, else the
    integer field ``public_id``, which such a model must have.
    """

    organization = models.ForeignKey("jobs.Organization", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=KEY_LENGTH, default=make_project_key, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        # A constraint, as unique=True builds a second index for LIKE on PostgreSQL, which no query uses.
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
