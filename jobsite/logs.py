"""Formats a log record as one line, so that a collector sees where each record ends."""

import logging
import time
from typing import Final

MOST_OF_REFUSED: Final = 200


class OneLine(logging.Formatter):
    r"""Write a record on one line, in UTC; line breaks (of tracebacks, or smuggled in) are written as ``\n``."""

    converter = time.gmtime  # type: ignore[assignment]  # known to the stubs as a method
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole record, traceback and all, without a line break; of a refused request its beginning.

        A refused ``Host`` may have 8 kB, and the traceback, which shows it again, says nothing about the site.
        """
        if record.name.startswith("django.security"):
            cut = {"msg": record.getMessage()[:MOST_OF_REFUSED], "args": None, "exc_info": None, "exc_text": None}
            record = logging.makeLogRecord({**record.__dict__, **cut})
        return "\\n".join(super().format(record).splitlines())
