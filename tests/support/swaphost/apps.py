"""The app's wiring."""

from django.apps import AppConfig


class SwapHostConfig(AppConfig):
    """A host's app, as ``tests.settings_swapped`` installs it."""

    name = "tests.support.swaphost"
    label = "swaphost"
    default_auto_field = "django.db.models.BigAutoField"
