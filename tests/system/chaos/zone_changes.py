"""A run over the nights on which Europe/Berlin changes its clocks: no job starts early, and none runs twice.

All machines have the same clock, which is set to just before the instants that matter: PostgreSQL's server, workers
and web; on SQLite workers and web. Site and server live in Berlin's zone; a midnight is one of UTC.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.support.wheel_postgres import WheelPostgres, wheel_installation
from tests.system.chaos.fake_clock import environment_of, find_library, set_clock

ZONE: Final = "Europe/Berlin"
# The midnights (UTC) of the nights in which its clocks go back, in autumn, or forward, an hour later.
MIDNIGHTS: Final = {
    "autumn": datetime(2026, 10, 25, tzinfo=UTC),
    "spring": datetime(2027, 3, 28, tzinfo=UTC),
}
JOBS: Final = 20
ITEMS: Final = 4
BEFORE: Final = timedelta(seconds=4)
PAST_SECONDS: Final = 3.0
END_SECONDS: Final = 60
DAY: Final = timedelta(days=1)


@dataclass(kw_only=True)
class Clock:
    """The clock of all machines."""

    path: Path
    library: Path
    times_set: int = 0

    @property
    def environment(self) -> dict[str, str]:
        zone = {"TZ": ZONE, "CHAOS_TIME_ZONE": ZONE}
        return {**environment_of(self.path, self.library), **zone}

    def set(self, instant: datetime) -> None:
        self.times_set += 1
        set_clock(self.path, f"{instant.timestamp() - time.time():+.3f}")
        print(f"It is {instant:%Y-%m-%d %H:%M:%S} UTC", flush=True)

    def pass_by(self, instant: datetime) -> None:
        """Set the clock to just before ``instant``, and let it pass."""
        self.set(instant - BEFORE)
        time.sleep(BEFORE.total_seconds() + PAST_SECONDS)


@contextmanager
def clocked_database(url: str, season: str) -> Iterator[tuple[str, Clock]]:
    """Yield the URL of an empty database of the kind that ``url`` names, and the clock that it has."""
    with wheel_installation() as installation:
        library = installation.home / "libfaketime.so.1"
        shutil.copy(find_library(), library)
        clock = Clock(path=installation.make_directory("clock") / "offset", library=library)
        clock.path.parent.chmod(0o755)
        clock.set(MIDNIGHTS[season] - timedelta(minutes=5))
        if url.startswith("sqlite"):
            yield url, clock
            return
        data = installation.home / "data"
        installation.initialise(data)
        faked = environment_of(clock.path, library)
        server = WheelPostgres(
            installation.programs, installation.home, data, installation.account, timezone=ZONE, **faked
        )
        try:
            server.start()
            yield server.url, clock
        finally:
            server.close()
