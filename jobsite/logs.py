"""Formats a log record as one line, so that a collector sees where each record ends."""

import logging
import time


class OneLine(logging.Formatter):
    r"""Write a record on one line, in UTC; line breaks (of tracebacks, or smuggled in) are written as ``\n``."""

    converter = time.gmtime  # type: ignore[assignment]  # known to the stubs as a method
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole record, traceback and all, without a line break."""
        return "\\n".join(super().format(record).splitlines())
