"""Settings for worker processes that erase files."""

import os

from tests.settings_fast import *

INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.filehost"]
MEDIA_ROOT = os.environ["MEDIA_ROOT"]
