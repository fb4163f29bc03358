"""django-wiki with all its plug-ins."""

from base_settings import *

INSTALLED_APPS += [
    "django.contrib.humanize",
    "django_nyt.apps.DjangoNytConfig",
    "mptt",
    "sekizai",
    "sorl.thumbnail",
    "wiki.apps.WikiConfig",
    "wiki.plugins.attachments.apps.AttachmentsConfig",
    "wiki.plugins.notifications.apps.NotificationsConfig",
    "wiki.plugins.images.apps.ImagesConfig",
    "wiki.plugins.macros.apps.MacrosConfig",
    "wiki_host",
]
CONTEXT_PROCESSORS += ["sekizai.context_processors.sekizai", "django.template.context_processors.i18n"]
ROOT_URLCONF = "wiki_host.urls"
