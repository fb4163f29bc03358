"""django CMS."""

from base_settings import *

INSTALLED_APPS += ["cms", "menus", "treebeard", "sekizai", "cms_host"]
LANGUAGES = [("en", "English")]
LANGUAGE_CODE = "en"
CMS_CONFIRM_VERSION4 = True
CMS_PERMISSION = True
X_FRAME_OPTIONS = "SAMEORIGIN"
CMS_TEMPLATES = [("page.html", "Page")]
CONTEXT_PROCESSORS += ["sekizai.context_processors.sekizai", "cms.context_processors.cms_settings"]
MIDDLEWARE += [
    "cms.middleware.user.CurrentUserMiddleware",
    "cms.middleware.page.CurrentPageMiddleware",
    "cms.middleware.toolbar.ToolbarMiddleware",
    "cms.middleware.language.LanguageCookieMiddleware",
]
ROOT_URLCONF = "cms_host.urls"
