"""Probes for load balancers and orchestrators: ``path("", include("jobs.api.health_urls"))``."""

from django.urls import path

from .health import livez, readyz

app_name = "jobs_probes"

urlpatterns = [
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
]
