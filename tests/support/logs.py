"""Keeps the log records of a test, from DEBUG up and of every logger."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_records(*filters: logging.Filter) -> Iterator[list[logging.LogRecord]]:
    """Yield the list that records are added to as a handler with these filters gets them."""
    records: list[logging.LogRecord] = []
    handler, root = logging.Handler(), logging.getLogger()
    handler.emit = records.append  # type: ignore[method-assign]  # shorter than a class
    for each in filters:
        handler.addFilter(each)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield records
    root.removeHandler(handler)
    root.setLevel(level)
