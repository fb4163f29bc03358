"""Records the calls of API clients and their answers outside the database, one JSON object a line."""

import json
import os
import time
from pathlib import Path
from typing import Any


class CallLog:
    """An append-only file of one process; a line reaches the kernel before ``write`` returns, so a kill loses none."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, what: str, **facts: Any) -> None:
        os.write(self._file, (json.dumps({"what": what, "at": time.time(), **facts}) + "\n").encode())


def read_calls(directory: Path) -> list[dict[str, Any]]:
    """Return the lines of all processes; those of one process in the order in which it wrote them."""
    return [json.loads(line) for path in sorted(directory.iterdir()) for line in path.read_text().splitlines()]
