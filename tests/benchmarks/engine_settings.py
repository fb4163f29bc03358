"""Settings of the benchmarks with the engine that ``BENCHMARK_ENGINE`` names."""

import os

from tests.benchmarks.settings import *  # noqa: F403
from tests.benchmarks.settings import INSTALLED_APPS

ENGINE = os.environ["BENCHMARK_ENGINE"]
BACKENDS = {
    "tasks_db": {"BACKEND": "django_tasks_db.DatabaseBackend"},
    "celery": {
        "BACKEND": "jobs.contrib.celery.CeleryBackend",
        "QUEUES": [],
        "OPTIONS": {
            "app": "tests.system.engines.celeryapp.app",
            "queue_prefix": os.environ.get("BENCHMARK_QUEUE_PREFIX", ""),
        },
    },
}
INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
JOBS = {}
if ENGINE in BACKENDS:
    TASKS = {"default": BACKENDS[ENGINE]}
    JOBS = {"TASK_BACKEND": "default"}

CELERY_BROKER_URL = os.environ.get("TEST_BROKER_URL", "")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_IMPORTS = ["tests.benchmarks.bare_tasks"]
# Else Celery closes the bare task's connection after each, which costs it three quarters; ours keep theirs anyway.
CELERY_DB_REUSE_MAX = 1_000_000
