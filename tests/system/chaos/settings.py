"""Settings of the processes of a run: the reference host's, on the run's database, with short times."""

import os

from django.core.exceptions import ImproperlyConfigured

if not os.environ.get("DATABASE_URL"):
    raise ImproperlyConfigured("Faults are injected into a database of their own: set DATABASE_URL")

from jobsite.settings import *  # noqa: F403
from jobsite.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.system.chaos"]
JOBS = {
    "BEAT_SECONDS": float(os.environ.get("CHAOS_BEAT_SECONDS", "0.2")),
    "LEASE_SECONDS": float(os.environ.get("CHAOS_LEASE_SECONDS", "1")),
    "SWEEP_SECONDS": 0.3,
    "REQUESTS_PER_MINUTE": None,
}
if not os.environ.get("CHAOS_OLD_PACKAGE"):  # an old release of a rolling run does not know this setting
    JOBS["NEW_JOBS_PER_MINUTE"] = None
SECURE_SSL_REDIRECT = False
TIME_ZONE = os.environ.get("CHAOS_TIME_ZONE", "UTC")
ALLOWED_HOSTS = ["127.0.0.1"]

if prefix := os.environ.get("CHAOS_QUEUE_PREFIX"):
    TASKS = {
        "default": {
            "BACKEND": "jobs.contrib.celery.CeleryBackend",
            "QUEUES": [],
            "OPTIONS": {"app": "tests.system.engines.celeryapp.app", "queue_prefix": prefix},
        }
    }
    JOBS |= {"TASK_BACKEND": "default", "RESERVE_SECONDS": 3}
    CELERY_BROKER_URL = os.environ["TEST_BROKER_URL"]
    CELERY_WORKER_PREFETCH_MULTIPLIER = 1
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
