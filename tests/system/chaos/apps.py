"""The chaos app of a host: installs faults and planted bugs in processes whose environment asks for them."""

import os
from pathlib import Path

from django.apps import AppConfig

CONTROL = "CHAOS_CONTROL"
BUG = "CHAOS_BUG"


class ChaosConfig(AppConfig):
    name = "tests.system.chaos"
    label = "chaos"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from jobs import failpoints  # not before the apps are loaded
        from tests.system.chaos import planted_bugs
        from tests.system.chaos.faults import Faults

        if directory := os.environ.get(CONTROL):
            failpoints.hook = Faults(Path(directory))
        if bug := os.environ.get(BUG):
            planted_bugs.plant(bug)
