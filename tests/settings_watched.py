"""Settings for worker processes whose watchdog and limits are a few seconds."""

from jobs.processes import watchdog
from tests.settings_fast import *

JOBS = {"BEAT_SECONDS": 0.5, "LEASE_SECONDS": 2, "SWEEP_SECONDS": 0.5}
watchdog.SHORTEST_SECONDS = 10.0
