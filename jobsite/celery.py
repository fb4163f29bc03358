"""The site's Celery app, used where ``BROKER_URL`` is set: ``celery --app jobsite worker``."""

import os

from celery import Celery
from django.core.exceptions import ImproperlyConfigured

from jobsite.environment import text

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
if not text("BROKER_URL"):
    raise ImproperlyConfigured("BROKER_URL is not set: where is the broker?")  # Celery would connect to localhost
app = Celery("jobsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
