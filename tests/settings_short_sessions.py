"""Settings for processes on a PostgreSQL that ends sessions which idle for 2.5 seconds."""

from tests.settings_fast import *

DATABASES["default"]["OPTIONS"]["options"] = "-c idle_session_timeout=2500"
