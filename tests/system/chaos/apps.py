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
        # Not before the apps are loaded, and only where it is asked for.
        if directory := os.environ.get(CONTROL):
            from jobs.db import failpoints
            from tests.system.chaos.faults import Faults

            failpoints.hook = Faults(Path(directory))
        if bug := os.environ.get(BUG):
            from tests.system.chaos.planted_bugs import plant

            plant(bug)
