"""The URLconf of the hostile host."""

from django.urls import include, path

urlpatterns = [path("public/", include("jobs.api.urls"))]
