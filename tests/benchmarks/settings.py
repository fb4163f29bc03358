"""The reference host's settings with the app that is measured; ``DATABASE_URL`` names the database."""

import os

os.environ.setdefault("LOG_LEVEL", "WARNING")

from jobsite.settings import *  # noqa: E402
from jobsite.settings import INSTALLED_APPS  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "tests.benchmarks"]
