"""The suite's settings for a host whose models are made with libraries; they have receivers of signals."""

from tests.settings import *
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [
    *INSTALLED_APPS,
    *("auditlog", "mptt", "polymorphic", "safedelete", "simple_history"),
    "tests.support.libraryhost",
]
