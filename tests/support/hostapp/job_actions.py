"""Registers the actions of the host app by importing them."""

from tests.support.hostapp import engine_actions as engine_actions
from tests.support.hostapp import plain_actions as plain_actions
from tests.support.hostapp import poison_actions as poison_actions
