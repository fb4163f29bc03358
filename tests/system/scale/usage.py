"""What processes use: memory, files, threads and processor time by ``/proc``, connections by ``pg_stat_activity``."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import linear_regression
from typing import Any, Final

import psycopg

TICKS: Final = os.sysconf("SC_CLK_TCK")
OTHERS: Final = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name = %s
"""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Of some processes together; memory in kilobytes, ``peak`` is the most that each ever had in memory."""

    memory: int
    peak: int
    files: int
    threads: int
    connections: int


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far; 0.0: it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


class Watched:
    """Processes that name their connections ``application`` (``PGAPPNAME``), on a server of this machine."""

    def __init__(self, connection: "psycopg.Connection[Any]", application: str) -> None:
        self._connection = connection
        self._application = application
        self._cpu: dict[int, float] = {}

    def backends(self) -> list[int]:
        """Return the process ids of the server's ends of their connections."""
        return [pid for (pid,) in self._connection.execute(OTHERS, [self._application])]

    def cpu(self, pids: Iterable[int]) -> float:
        """Return the processor time of ``pids`` and of their connections' backends; those that ended stay counted."""
        for pid in (*pids, *self.backends()):
            self._cpu[pid] = max(self._cpu.get(pid, 0.0), cpu_seconds(pid))
        return sum(self._cpu.values())

    def usage(self, pids: Iterable[int]) -> Usage:
        status = [_status_of(pid) for pid in pids]
        return Usage(
            memory=sum(one["VmRSS"] for one in status),
            peak=sum(one["VmHWM"] for one in status),
            threads=sum(one["Threads"] for one in status),
            files=sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
            connections=len(self.backends()),
        )


def _status_of(pid: int) -> dict[str, int]:
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(value.split()[0]) for name, _, value in lines if name in ("VmRSS", "VmHWM", "Threads")}


def growth(who: str, usages: list[Usage], *, every: int) -> dict[str, Any]:
    """Return first and last of usages, one after ``every`` uses, and growth by 1,000, by the second half of them."""
    # In the first half caches fill, and threads open their connections.
    half = usages[len(usages) // 2 :]
    thousands = [every * number / 1000 for number in range(len(half))]
    figures: dict[str, Any] = {f"{who}_first": vars(usages[0]), f"{who}_last": vars(usages[-1])}
    for field in fields(Usage):
        if field.name != "peak":
            slope = linear_regression(thousands, [getattr(usage, field.name) for usage in half]).slope
            figures[f"{who}_{field.name}_by_1000"] = round(slope, 3)
    return figures
