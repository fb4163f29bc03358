"""Settings of a worker process that tests start: on the test's own database, with short leases."""

import os

from tests.settings import *
from tests.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE_NAME"]
JOBS = {"BEAT_SECONDS": 0.2, "LEASE_SECONDS": 1, "SWEEP_SECONDS": 0.3}
