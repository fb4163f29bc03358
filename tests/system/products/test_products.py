"""Products of others, each with a map for its user: what their own deletion leaves, and what the map leaves.

They are installed into an environment of their own; none of their code is here. The table of docs/erasure.md has what
is measured.
"""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.settings import TEST_RUN
from tests.support.environments import CLEAN, make_environment, run
from tests.support.host_projects import build_wheel, postgresql_database, sqlite_database
from tests.support.postgres import Server
from tests.support.source import ROOT

# An environment, and every migration of a product.
pytestmark = pytest.mark.timeout(1800)

HERE: Final = Path(__file__).parent
PAGE: Final = (ROOT / "docs" / "erasure.md").read_text()
WORDS: Final = {"erased": "erased", "anonymised": "anonymised", "setNull": "set to null", "kept": "kept"}


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product; its host is the package ``{name}_host``."""

    name: str
    # What pip installs; the first is the product.
    packages: tuple[str, ...]
    # Rows that came by the other person and go: they refer to rows of the person, or have the address.
    goes_too: dict[str, int] = field(default_factory=dict)
    # Rows of inherited models are in two tables, and counted once.
    second_tables: int = 0
    # Rows that have the person's data after the job, as the map keeps them, and why.
    kept: dict[str, int] = field(default_factory=dict)
    because: str = ""


PRODUCTS: Final = (
    Product(name="helpdesk", packages=("django-helpdesk==2.6.1", "django>=5.2,<5.3")),
    Product(
        name="oscar",
        packages=("django-oscar==4.2.1", "django>=5.2,<5.3"),
        goes_too={"communication_notification": 1, "reviews_vote": 1, "wishlists_wishlistsharedemail": 1},
        kept={"order_billingaddress": 2, "order_order": 1},
        because="bills, by tax law",
    ),
    Product(name="wagtail", packages=("wagtail==8.0.1", "django>=5.2,<5.3"), goes_too={"wagtailcore_commentreply": 1}),
    Product(
        name="wiki",
        packages=("wiki==0.13.0", "django>=5.2,<5.3"),
        goes_too={"nyt_notification": 1},
        second_tables=1,
    ),
    # It imports packaging, and does not name it.
    Product(name="cms", packages=("django-cms==5.1.3", "packaging", "django>=5.2,<5.3")),
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=PRODUCTS, ids=lambda product: product.name)
def product(request: pytest.FixtureRequest) -> Product:
    found: Product = request.param
    return found


@pytest.fixture(scope="module")
def python(product: Product, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own, with the product and the wheel."""
    directory = tmp_path_factory.mktemp(product.name)
    packages = [f"{wheel}[postgres]", *product.packages]
    return make_environment(directory / "environment", python=sys.executable, packages=packages)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What a host has in ``DATABASES``: a file, or a database on the suite's server."""
    if request.param == "sqlite":
        yield sqlite_database(tmp_path)
        return
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        pytest.skip("this run has no PostgreSQL; make nightly has")
    with Server(url=url, version="", origin="the suite's").new_database(f"test_jobs_{TEST_RUN}") as fresh:
        yield postgresql_database(fresh)


def test_a_job_by_the_map_leaves_nothing_that_the_map_does_not_keep(
    product: Product, python: Path, database: dict[str, Any], tmp_path: Path
):
    hosts = shutil.copytree(HERE, tmp_path / "hosts", ignore=shutil.ignore_patterns("__pycache__", "test_*"))
    host = f"{product.name}_host"
    environment = {
        **CLEAN,
        "PYTHONPATH": str(hosts),
        "DJANGO_SETTINGS_MODULE": f"{host}.settings",
        "HOST_DATABASE": json.dumps(database),
        "HOST_MEDIA": str(tmp_path / "media"),
    }

    run([str(python), "-m", "django", "check", "--tag", "jobs", "--fail-level", "WARNING"], cwd=hosts, env=environment)
    printed = run([str(python), "measure.py", host], cwd=hosts, env=environment, timeout=900)

    measured = json.loads(printed.splitlines()[-1])
    job, stores = measured["job"], measured["job"]["receipt"]
    assert (job["status"], job["detail"]) == ("completed", "")
    # Files are not counted before.
    assert {each["store"]: each["rows"] for each in job["preview"] if each["what"] != "removed"} == {
        name: store["found"] for name, store in stores.items() if store.get("what") not in (None, "removed")
    }
    assert sum(store["left"] or 0 for store in stores.values()) == 0
    counts = done(stores)
    assert counts["erased"] <= sum(job["gone"].values()) <= counts["erased"] + counts[""] + product.second_tables
    assert (job["lost"], job["marked"]) == (product.goes_too, product.kept)
    assert line(product, measured) in PAGE.splitlines()


def line(product: Product, measured: dict[str, Any]) -> str:
    """Return the line of the page's table."""
    own, job = measured["own_deletion"], measured["job"]
    counts = done(job["receipt"])
    by_map = ", ".join(f"{counts[what]} {word}" for what, word in WORDS.items() if counts[what])
    by_steps = f", {counts['']} changed by steps" if counts[""] else ""
    cells = (
        product.packages[0].replace("==", " "),
        told(measured["rows"]),
        f"refused (`{own['refused']}`)" if own["refused"] else told(own["marked"]),
        by_map + by_steps,
        f"{told(job['marked'])}: {product.because}" if product.kept else "none",
    )
    return f"| {' | '.join(cells)} |"


def told(rows: dict[str, int]) -> str:
    return f"{sum(rows.values())} rows in {len(rows)} tables" if rows else "none"


def done(stores: dict[str, Any]) -> Counter[str]:
    """Return how many rows were changed or kept, by what was done; those of steps under an empty name."""
    counts: Counter[str] = Counter()
    for store in stores.values():
        if store.get("what") != "called":
            counts[store.get("what", "")] += store["found"] if store.get("what") == "kept" else store["done"]
    return counts
