"""Settings for worker processes that tests start: those of the test run, its database, short leases."""

import os
from importlib import import_module

from jobs.processes import watchdog

globals().update(vars(import_module(os.environ["TEST_SETTINGS"])))

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE_NAME"]  # noqa: F821 – one of those taken over
JOBS = {"BEAT_SECONDS": 0.2, "LEASE_SECONDS": 1, "SWEEP_SECONDS": 0.3}
watchdog.SHORTEST_SECONDS = float(os.environ.get("TEST_WATCHDOG_SECONDS", watchdog.SHORTEST_SECONDS))
