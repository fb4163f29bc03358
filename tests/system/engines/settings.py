"""Settings of the processes that tests of engines start: the test's own, with an engine and short times."""

import os

from tests.settings_fast import *
from tests.settings_fast import JOBS

ENGINE = os.environ["TEST_ENGINE"]

BACKENDS = {
    "tasks_db": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "elsewhere"]},
    "celery": {
        "BACKEND": "jobs.contrib.celery.CeleryBackend",
        "QUEUES": [],
        "OPTIONS": {
            "app": "tests.system.engines.celeryapp.app",
            "queue_prefix": os.environ.get("TEST_QUEUE_PREFIX", ""),
        },
    },
}

if ENGINE in BACKENDS:
    TASKS = {"default": BACKENDS[ENGINE]}
    JOBS = {**JOBS, "TASK_BACKEND": "default", "RESERVE_SECONDS": int(os.environ.get("TEST_RESERVE_SECONDS", "2"))}
DATABASES["default"]["CONN_MAX_AGE"] = 0  # Django's default, the hardest case for kept connections

CELERY_BROKER_URL = os.environ.get("TEST_BROKER_URL", "")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_QUEUE_MAX_PRIORITY = 10
