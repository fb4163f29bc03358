"""The URLs of all these hosts: the API alone."""

from django.urls import include, path

urlpatterns = [path("public/", include("jobs.api.urls"))]
