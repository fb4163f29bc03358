"""The pages of the helpdesk, to which its mails refer."""

from django.urls import include, path
from urls import urlpatterns as common

urlpatterns = [*common, path("helpdesk/", include("helpdesk.urls"))]
