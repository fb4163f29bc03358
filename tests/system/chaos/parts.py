"""The parts of a run and how much of each there is in the long form: ``make chaos``."""

from typing import Final

PARTS: Final = (
    *("kills", "matrix", "freezes", "outages", "races", "celery"),
    *("proxy", "terminate", "gil", "loops", "residue", "forks"),
    *("failover", "asynchronous", "rolling", "autumn", "spring"),
)
# How many kills, repeats of the matrix, freezes, outages, races, and kills through Celery; faults of connections,
# sessions ended (ten a second at most), jobs that hang, that loop and that leave residue, and stops after forks;
# primaries lost with a synchronous and with an asynchronous standby, and restarts in a rolling release;
# nights on which clocks change.
COUNTS: Final[dict[str, dict[str, int]]] = {
    "postgresql": {
        "kills": 200,
        "matrix": 1,
        "freezes": 24,
        "outages": 18,
        "races": 5_000,
        "celery": 40,
        "proxy": 210,
        "terminate": 2_600,
        "gil": 18,
        "loops": 45,
        "residue": 220,
        "forks": 40,
        "failover": 40,
        "asynchronous": 40,
        "rolling": 20,
        "autumn": 1,
        "spring": 1,
    },
    "sqlite": {
        "kills": 60,
        "matrix": 1,
        "freezes": 6,
        "outages": 9,
        "races": 1_000,
        "celery": 10,
        "gil": 6,
        "loops": 4,
        "forks": 12,
        "autumn": 1,
        "spring": 1,
    },
}
