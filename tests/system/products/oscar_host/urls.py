"""The pages of the shop, to which its baskets refer."""

from django.apps import apps
from django.urls import include, path
from urls import urlpatterns as common

urlpatterns = [*common, path("", include(apps.get_app_config("oscar").urls[0]))]
