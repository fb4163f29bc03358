"""API keys of integrators. The key itself is not stored, only its digest."""

from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .. import conf

SCOPES: Final = ("read", "create", "cancel")


class ApiKey(models.Model):
    """One Bearer key of an organization; written by ``services.tenants.api_keys``."""

    organization = models.ForeignKey("jobs.Organization", on_delete=models.CASCADE, related_name="api_keys")
    # Null: every project of the organization.
    project = models.ForeignKey(
        conf.project_model_label(), null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    name = models.CharField(max_length=200, blank=True)
    # The first characters of the key, so that people can tell keys apart; too few to help a thief.
    prefix = models.CharField(max_length=12, editable=False)
    # SHA-256 of the whole key, 64 lower-case hex digits; a key is found by it.
    digest = models.CharField(max_length=64, editable=False)
    # A list of words out of SCOPES.
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Written at most once a minute, and not at all when the row is locked.
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Null: created by a command.
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    # The key that this one replaces, while both are valid.
    replaces = models.ForeignKey("self", null=True, blank=True, editable=False, on_delete=models.SET_NULL)
    # The id of the first key of a chain of replacements, which stays the caller's identity; null: this one is it.
    first_key_id = models.BigIntegerField(null=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("rotate_apikey", "Can rotate an API key"),
            ("revoke_apikey", "Can revoke an API key"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prefix"], name="jobs_apikey_unique_prefix"),
            models.UniqueConstraint(fields=["digest"], name="jobs_apikey_unique_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"
