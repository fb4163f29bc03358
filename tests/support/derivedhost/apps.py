"""The app's wiring."""

from django.apps import AppConfig


class DerivedHostConfig(AppConfig):
    """A host's app, as ``tests.settings_derived`` installs it."""

    name = "tests.support.derivedhost"
    label = "derivedhost"
    default_auto_field = "django.db.models.BigAutoField"
