"""Shared by the benchmark programs: command line, PostgreSQL database, and the table that each prints."""

import argparse
import os
import platform
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

import django
import psycopg

from tests.benchmarks.processes import SETTINGS, MeasureFailed, migrate
from tests.support.postgres import NoServer, Server, end_cleanly_on_sigterm, postgres_server

HIGH_LOAD: Final = 0.5  # of other programs, a core


def parser_of(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a program's command line; ``description`` is printed as it is."""
    as_it_is = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=program, description=description, formatter_class=as_it_is)


def run_on_postgresql(database: str, run: Callable[[str], None]) -> int:
    """Call ``run`` with the URL of an empty database; return the exit status."""
    end_cleanly_on_sigterm()
    try:
        with postgres_server() as server, server.new_database(database) as url:
            print_facts(server)
            run(url)
    except (NoServer, MeasureFailed) as error:
        print(f"\nThe benchmarks could not be run: {error}", file=sys.stderr)
        return 1
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.2f}, of which the benchmarks are a part.")
    return 0


def print_facts(server: Server) -> None:
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    versions = f"Python {platform.python_version()}, Django {django.get_version()}, psycopg {psycopg.__version__}"
    print(f"{cores} cores ({platform.machine()}), {versions}, {server}, SQLite {sqlite3.sqlite_version}")
    print(f"Load average at the start: {load:.2f}")
    if load > HIGH_LOAD * cores:
        print("WARNING: the machine is busy with other things; trust the ratios, not the figures.")


def run_on_skewed_jobs(
    program: str,
    description: str | None,
    database: str,
    run: Callable[[str, Any, int], None],
    *,
    rows: int = 10_000_000,
) -> int:
    """Fill a database with as many jobs as ``--rows`` says, and call ``run`` with its URL, the project and the number.

    Django is set up in this process, as the reference host.
    """
    parser = parser_of(program, description)
    parser.add_argument("--rows", type=int, default=rows, help="how many jobs (default: %(default)s)")
    rows = parser.parse_args().rows

    def fill_and_run(url: str) -> None:
        migrate(url)
        os.environ.update(DATABASE_URL=url, DJANGO_SETTINGS_MODULE=SETTINGS, SECRET_KEY=secrets.token_urlsafe(64))
        os.environ.update(ALLOWED_HOSTS="localhost,testserver", INSECURE_HTTP="1")
        django.setup()
        from tests.benchmarks.skewed import fill

        begun = time.monotonic()
        project = fill(rows)
        print(f"{rows:,} jobs of one project, filled and indexed in {time.monotonic() - begun:,.0f} s")
        run(url, project, rows)

    return run_on_postgresql(database, fill_and_run)


class Table:
    """A table that is printed row by row: a name, then right-aligned columns of the given titles and widths."""

    def __init__(self, title: str, *columns: tuple[str, int], width: int = 50, last: str = "") -> None:
        self._widths = (width, *(column for _, column in columns))
        self.row(f"\n{title:{width}}", *(name for name, _ in columns), remark=last)

    def row(self, name: str, *cells: str | float, remark: str = "") -> None:
        """Print one row; a number has two decimals."""
        texts = [cell if isinstance(cell, str) else f"{cell:.2f}" for cell in cells]
        first, *widths = self._widths
        line = f"{name:{first}}" + "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=False))
        print(f"{line}  {remark}".rstrip(), flush=True)

    def compare(self, name: str, ours: list[float], others: list[float], form: str, least: float = 0.0) -> None:
        """Print the medians of both, formatted by ``form``, and the ratios of the rounds, which should be ``least``."""
        ratios = [one / other for one, other in zip(ours, others, strict=True)]
        remark = f"ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
        if median(ratios) < least:
            remark += f", BELOW THE AIM of {least}"
        self.row(name, format(median(ours), form), format(median(others), form), median(ratios), remark=remark)


def above(value: float, aim: float, unit: str = "") -> str:
    return "" if value <= aim else f"ABOVE THE AIM of {aim:g}{unit}"
