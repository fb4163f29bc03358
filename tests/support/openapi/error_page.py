"""The table in ``docs/errors.md``, made from the table of error codes."""

import re
from typing import Final

from jobs.error_codes import ERROR_CODES
from tests.support.source import ROOT

PAGE: Final = ROOT / "docs" / "errors.md"
_ROWS: Final = re.compile(r"(?:^\| `.*\n)+", re.MULTILINE)


def updated_page() -> str:
    rows = "".join(
        f"| `{code}` | {entry.status} | {entry.cause} | {entry.cure} | {entry.details or '–'} |\n"
        for code, entry in ERROR_CODES.items()
    )
    return _ROWS.sub(lambda _: rows, PAGE.read_text(), count=1)
