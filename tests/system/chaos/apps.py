"""The chaos app of a host: installs faults, short waits and planted bugs in processes whose environment asks for it."""

import os
from pathlib import Path

from django.apps import AppConfig

CONTROL = "CHAOS_CONTROL"
BUG = "CHAOS_BUG"
SHORTENED = "CHAOS_SHORTENED"


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
        if os.environ.get(SHORTENED):
            from tests.system.chaos.shortened import shorten

            shorten()
        if bug := os.environ.get(BUG):
            from tests.system.chaos.planted_bugs import plant

            plant(bug)
        from tests.system.chaos import rolling_actions

        if code := os.environ.get(rolling_actions.CODE):
            rolling_actions.register(code, os.environ.get(rolling_actions.OLD_PACKAGE, ""))
