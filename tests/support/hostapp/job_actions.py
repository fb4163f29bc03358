"""Actions that tests schedule and run; importing the modules registers them."""

from tests.support.hostapp import engine_actions as engine_actions
from tests.support.hostapp import plain_actions as plain_actions
