"""The pages of the site."""

from django.urls import include, path
from urls import urlpatterns as common

urlpatterns = [*common, path("", include("cms.urls"))]
