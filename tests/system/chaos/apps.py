"""The app's wiring: faults and planted bugs come from the environment, and only into processes that are told so."""

import os
from pathlib import Path

from django.apps import AppConfig

CONTROL = "CHAOS_CONTROL"
BUG = "CHAOS_BUG"


class ChaosConfig(AppConfig):
    """A host's app: rows to work on, a ledger, and the hook at the engine's named places."""

    name = "tests.system.chaos"
    label = "chaos"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Install what the environment asks for."""
        from jobs import failpoints  # not before the apps are loaded
        from tests.system.chaos import planted
        from tests.system.chaos.faults import Faults

        if directory := os.environ.get(CONTROL):
            failpoints.hook = Faults(Path(directory))
        if bug := os.environ.get(BUG):
            planted.plant(bug)
