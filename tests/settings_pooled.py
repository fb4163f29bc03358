"""Settings for processes on the test database whose connections come from Django's own pool, of one connection."""

from tests.settings_fast import *

DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1, "timeout": 2}
