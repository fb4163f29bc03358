"""The suite's settings for a host with a project model of its own, keyed by UUID."""

import os

from tests.settings import *
from tests.settings import INSTALLED_APPS

# A host may name its app before `jobs` or after it.
INSTALLED_APPS = (
    ["tests.support.swaphost", *INSTALLED_APPS]
    if os.environ.get("HOST_APP") == "first"
    else [*INSTALLED_APPS, "tests.support.swaphost"]
)
JOBS_PROJECT_MODEL = "swaphost.Workspace"
