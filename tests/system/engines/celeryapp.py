"""A host's Celery app, as Celery's documentation writes it."""

from celery import Celery

app = Celery("engines")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
