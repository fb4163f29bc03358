"""The reference host's settings, as the suite needs them; ``tests/run.py`` chooses the database."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from jobsite.settings import *
from jobsite.settings import DATABASES, INSTALLED_APPS

# One name a run, so that runs beside each other on one server, or a leftover, do no harm.
# pytest-django adds a suffix for each of xdist's processes.
TEST_RUN = os.environ.get("TEST_RUN") or str(os.getpid())

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file: a database in memory is one connection's own, and has other locks than a file.
    DATABASES["default"]["TEST"] = {"NAME": Path(tempfile.gettempdir(), f"test_jobs_{TEST_RUN}.sqlite3")}
else:
    # template0 takes this encoding whatever the server's default is.
    DATABASES["default"]["TEST"] = {"NAME": f"test_jobs_{TEST_RUN}", "TEMPLATE": "template0", "CHARSET": "UTF8"}
    if os.environ.get("TEST_PREPARED"):  # as docs/how-to/production.md has it, but from a statement's first use on
        DATABASES["default"]["OPTIONS"] |= {"server_side_binding": True, "prepare_threshold": 1}

INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.hostapp"]
if find_spec("django_tasks_db"):
    INSTALLED_APPS += ["django_tasks_db"]  # the tables of an engine that some tests run on
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; these passwords guard nothing
# Every request is counted, none is refused, unless a test says so.
JOBS = dict.fromkeys(("REQUESTS_PER_MINUTE", "FAILED_KEYS_PER_MINUTE", "NEW_JOBS_PER_MINUTE"), 1_000_000)
# Static files are found when asked for; otherwise every test client searches all of them first.
WHITENOISE_AUTOREFRESH = True
SECURE_SSL_REDIRECT = False  # the test client speaks plain HTTP
