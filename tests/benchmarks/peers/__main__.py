"""Measures the REST API beside other ways to serve it: ``make bench-peers``.

Each serves the same jobs from one PostgreSQL by one granian process of four threads: a bare WSGI callable with psycopg,
Django REST framework as lean as it can be, the same with limits, events, request ids and bounded locks (the *fair
floor*), FastAPI in the shape of a known service, Django REST framework as a tutorial writes it, and the reference host
with its middleware and its limits counted in Redis. All are up at once and asked in turn by wrk, round after round, so
the ratios to the bare one mean something on a machine that others use too. A figure is the median of the rounds.
"""

import os
import secrets
import sys
import time
from importlib.metadata import version
from statistics import median
from typing import Final

import django
import redis

from tests.benchmarks.peers.servers import BARE, FAIR, FAIR_PREPARED, OURS, OURS_PREPARED, serving
from tests.benchmarks.peers.wrk import CANCEL, LIST, ONE, Answered, Tenant, require_wrk
from tests.benchmarks.processes import SETTINGS, MeasureFailed, migrate
from tests.benchmarks.program import parser_of, run_on_postgresql

CONNECTIONS: Final = (1, 16)
SECONDS: Final = 1
PACKAGES: Final = ("djangorestframework", "fastapi", "granian", "orjson")
CACHE_URL: Final = "redis://127.0.0.1:6379/14"
# The ratios that the app is to reach; also enough is that of the fair floor, where it is lower.
GOALS: Final = {LIST: (0.6, 0.6), ONE: (0.35, 0.25), CANCEL: (0.4, 0.33)}

# By server, by what was asked and by connections: what was answered in each round.
Measured = dict[tuple[str, str, int], list[Answered]]


def main() -> int:
    parser = parser_of("tests.benchmarks.peers", __doc__)
    parser.add_argument("--rows", type=int, default=1_100_000, help="how many jobs (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (default: %(default)s)")
    chosen = parser.parse_args()

    def measure(url: str) -> None:
        check_tools()
        migrate(url)
        os.environ.update(DATABASE_URL=url, DJANGO_SETTINGS_MODULE=SETTINGS, SECRET_KEY=secrets.token_urlsafe(64))
        django.setup()
        from tests.benchmarks.peers.rows import fill

        begun = time.monotonic()
        tenant = fill(chosen.rows)
        print(f"{chosen.rows:,} jobs of ten projects, filled twice in {time.monotonic() - begun:,.0f} s", flush=True)
        print_tables(measured_on(url, tenant, chosen.rounds))

    return run_on_postgresql("benchmarks_peers", measure)


def check_tools() -> None:
    """Raise MeasureFailed if something is missing that pip does not install."""
    require_wrk()
    try:
        redis.Redis.from_url(CACHE_URL, socket_timeout=2).ping()
    except redis.RedisError as error:
        raise MeasureFailed(f"Redis is needed at {CACHE_URL}: {error}") from error
    print(", ".join(f"{package} {version(package)}" for package in PACKAGES))


def measured_on(url: str, tenant: Tenant, rounds: int) -> Measured:
    """Ask all servers in turn, round after round."""
    measured: Measured = {}
    with serving(url, CACHE_URL, tenant) as servers:
        for server in servers.values():
            server.check()
            server.warm()
        for number in range(rounds):
            for connections in CONNECTIONS:
                for what in GOALS:
                    for name, server in servers.items():
                        answered = server.ask_many(what, connections=connections, seconds=SECONDS)
                        measured.setdefault((name, what, connections), []).append(answered)
            print(f"round {number + 1} of {rounds}, load average {os.getloadavg()[0]:.1f}", flush=True)
    return measured


def ratio(measured: Measured, name: str, what: str, connections: int) -> float:
    """Return the median of the rounds' ratios to the bare callable."""
    rounds = zip(measured[name, what, connections], measured[BARE, what, connections], strict=True)
    return median(one.rate / bare.rate for one, bare in rounds)


def cpu_ms(measured: Measured, name: str, what: str) -> float:
    """Return the processor time of a request over one connection.

    Each round has two that are not counted: the one that is under way at the end, and one that is asked after it.
    """
    rounds = measured[name, what, 1]
    return 1000 * sum(one.cpu_seconds for one in rounds) / sum(one.requests + 2 for one in rounds)


def print_tables(measured: Measured) -> None:
    """Print ratios, rates, processor time, and what became of the goals, as Markdown."""
    names = list(dict.fromkeys(name for name, _, _ in measured))
    print_title("ratio to the bare one, 1 / 16 connections")
    for name in names:
        print_row(name, [[f"{ratio(measured, name, what, number):.2f}" for number in CONNECTIONS] for what in GOALS])
    print_row("goal", [[f"{goal:.2f}" for goal in goals] for goals in GOALS.values()])
    print_title("requests/s, 1 / 16 connections")
    for name in names:
        rates = [[median(one.rate for one in measured[name, what, number]) for number in CONNECTIONS] for what in GOALS]
        print_row(name, [[f"{rate:,.0f}" for rate in pair] for pair in rates])
    print_title("processor time of a request, server and database, ms (ratio of the bare one to it)")
    for name in names:
        times = [(cpu_ms(measured, name, what), cpu_ms(measured, BARE, what)) for what in GOALS]
        print_row(name, [[f"{time:.2f} ({bare / time:.2f})"] for time, bare in times])
    print()
    for what, goals in GOALS.items():
        for number, goal in zip(CONNECTIONS, goals, strict=True):
            for name, floor_name in ((OURS, FAIR), (OURS_PREPARED, FAIR_PREPARED)):
                found, floor = ratio(measured, name, what, number), ratio(measured, floor_name, what, number)
                verdict = "kept" if found >= goal else "at the fair floor" if found >= floor else "MISSED"
                asked = f"{what}, {number} connections, {name}"
                print(f"{asked}: {found:.2f}, goal {goal:g}, fair floor {floor:.2f}: {verdict}")


def print_title(title: str) -> None:
    print(f"\n| {title} |", " | ".join(GOALS), "|")
    print("|---" * (len(GOALS) + 1) + "|")


def print_row(name: str, cells: list[list[str]]) -> None:
    print(f"| {name} |", " | ".join(" / ".join(cell) for cell in cells), "|", flush=True)


if __name__ == "__main__":
    sys.exit(main())
