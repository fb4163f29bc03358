"""The app configuration: registers the system checks and imports every app's ``job_actions``."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule
from django.utils.translation import gettext_lazy as _


class JobsConfig(AppConfig):
    """The app ``jobs``."""

    name = "jobs"
    verbose_name = _("Jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, what a deleted project takes with it, and the actions."""
        # These import models, which need the app registry.
        from . import checks  # noqa: F401
        from .services.tenants.project_deletion import watch_projects

        watch_projects()
        discover_actions()


def discover_actions() -> None:
    """Import ``job_actions`` of every installed app that has one.

    Raises:
        ImproperlyConfigured: a module exists and cannot be imported; the message names it and the error.
    """
    for app in apps.get_app_configs():
        if app.module is not None and module_has_submodule(app.module, "job_actions"):
            try:
                import_module(f"{app.name}.job_actions")
            except Exception as error:
                raise ImproperlyConfigured(f"{app.name}.job_actions could not be imported: {error!r}") from error
