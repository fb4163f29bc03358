"""The suite's settings for a host whose project model derives from ``AbstractProject``."""

import os

from tests.settings import *
from tests.settings import INSTALLED_APPS

# Both name the project by the setting alone, and so would be migrated after this host's first migration,
# which has none yet.
INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in ("jobsite", "tests.support.hostapp")]
# A host may name its app before `jobs` or after it.
INSTALLED_APPS = (
    ["tests.support.derivedhost", *INSTALLED_APPS]
    if os.environ.get("HOST_APP") == "first"
    else [*INSTALLED_APPS, "tests.support.derivedhost"]
)
JOBS_PROJECT_MODEL = "derivedhost.Project"
