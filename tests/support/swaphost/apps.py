"""The app of the host whose settings are ``tests.settings_swapped``."""

from django.apps import AppConfig


class SwapHostConfig(AppConfig):
    name = "tests.support.swaphost"
    label = "swaphost"
    default_auto_field = "django.db.models.BigAutoField"
