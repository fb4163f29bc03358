"""django-helpdesk."""

from base_settings import *

INSTALLED_APPS += [
    "django.contrib.humanize",
    "helpdesk",
    "helpdesk_host",
]
HELPDESK_TEAMS_MODE_ENABLED = False
LOGIN_URL = "/login/"
ROOT_URLCONF = "helpdesk_host.urls"
