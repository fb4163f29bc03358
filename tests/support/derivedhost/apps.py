"""The app of the host whose settings are ``tests.settings_derived``."""

from django.apps import AppConfig


class DerivedHostConfig(AppConfig):
    name = "tests.support.derivedhost"
    label = "derivedhost"
    default_auto_field = "django.db.models.BigAutoField"
