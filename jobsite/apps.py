"""The app's name in the admin."""

from django.apps import AppConfig


class JobsiteConfig(AppConfig):
    """The app ``jobsite``."""

    name = "jobsite"
    verbose_name = "Session replay"
    default_auto_field = "django.db.models.BigAutoField"
