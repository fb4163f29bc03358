"""Settings of the benchmarks: the reference host's, on the database of ``DATABASE_URL``."""

import os

from django.core.exceptions import ImproperlyConfigured

if not os.environ.get("DATABASE_URL"):
    raise ImproperlyConfigured("The benchmarks empty tables, so they never take the default database: set DATABASE_URL")
os.environ.setdefault("LOG_LEVEL", "WARNING")

from jobsite.settings import *  # noqa: F403
from jobsite.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.benchmarks"]
# Requests are counted, as with any limit, but none is refused: the measures send more than a caller may.
JOBS = {"REQUESTS_PER_MINUTE": 1_000_000, "NEW_JOBS_PER_MINUTE": 100_000_000}
