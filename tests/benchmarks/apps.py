"""The benchmarks as a Django app."""

from django.apps import AppConfig


class BenchmarksConfig(AppConfig):
    """A host's app: a table to erase from, and actions to measure."""

    name = "tests.benchmarks"
    label = "benchmarks"
    default_auto_field = "django.db.models.BigAutoField"
