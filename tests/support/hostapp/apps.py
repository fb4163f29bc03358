"""The app's wiring."""

from django.apps import AppConfig


class HostAppConfig(AppConfig):
    """A host's app, as ``tests.settings`` installs it."""

    name = "tests.support.hostapp"
    label = "hostapp"
    default_auto_field = "django.db.models.BigAutoField"
