"""Actions that tests schedule and run; importing the modules registers them."""

from tests.hostapp import engine_actions as engine_actions
from tests.hostapp import plain_actions as plain_actions
