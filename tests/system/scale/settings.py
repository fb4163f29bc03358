"""Settings of the processes that are measured: the reference host's, on a database of their own, with usual times."""

import os

from django.core.exceptions import ImproperlyConfigured

if not os.environ.get("DATABASE_URL"):
    raise ImproperlyConfigured(
        "Tables are filled and emptied, so never those of the default database: set DATABASE_URL"
    )
os.environ.setdefault("LOG_LEVEL", "WARNING")

from jobsite.settings import *  # noqa: F403
from jobsite.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.system.scale"]
JOBS = {"REQUESTS_PER_MINUTE": 1_000_000, "NEW_JOBS_PER_MINUTE": None}
SECURE_SSL_REDIRECT = False
ALLOWED_HOSTS = ["127.0.0.1"]
