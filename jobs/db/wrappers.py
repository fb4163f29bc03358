"""Watches what the code of a block executes, on all connections of its thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections


@contextmanager
def wrapped_statements(wrapper: Callable[..., Any]) -> Iterator[None]:
    """Let ``wrapper`` execute the statements of the block; it is one of Django's ``execute_wrapper``."""
    watched = connections.all()
    for connection in watched:
        connection.execute_wrappers.append(wrapper)
    try:
        yield
    finally:
        for connection in watched:
            connection.execute_wrappers.remove(wrapper)
