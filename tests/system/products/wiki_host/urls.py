"""The pages of the wiki, to which its notifications refer."""

from django.urls import include, path
from urls import urlpatterns as common

urlpatterns = [*common, path("notify/", include("django_nyt.urls")), path("", include("wiki.urls"))]
