"""Who may import whom inside `jobs`, read from the import statements."""

import re
from collections.abc import Callable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Final

import pytest

import jobs
from tests.support.source import ROOT, Import, Source, sources

# From top to bottom; a module may import those of its own line and of the lines below it.
# A package stands for all that is in it.
LAYERS: Final = (
    ("api", "admin", "management", "middleware", "job_actions"),  # doors; each may import only itself
    ("workers", "contrib"),  # contrib: what a host may plug in
    ("tasks",),
    ("engines",),
    ("processes",),
    ("services",),
    ("erasure",),
    ("execution",),
    ("lifecycle", "stats"),
    ("models",),
    ("db",),
    ("http", "error_codes", "conf", "status", "exceptions", "actions", "signals", "actors", "logging"),
)
DOORS: Final = LAYERS[0]

# These may import any of the others; of the others, none imports these.
FREE: Final = ("apps", "checks", "testing")


# What a module may import from above, and why.
UPWARD: Final = {
    ("jobs.actions", "jobs.execution.context"): "for type checkers alone: hosts decorate functions of a JobContext",
}

# Where a library may be imported at all.
LIBRARIES: Final = {
    "django.http": (*DOORS, "http"),
    "django.shortcuts": ("admin",),
    "django.tasks": ("engines",),
    "django_filters": ("api",),
    "django_tasks": ("engines",),
    "celery": ("contrib",),
    "kombu": ("contrib",),
    "rest_framework": ("api", "job_actions"),
}

# What hosts may import of `jobs`: names of `jobs.__all__`, and names of these modules.
PUBLIC_MODULES: Final = (
    *("jobs.exceptions", "jobs.signals", "jobs.models", "jobs.testing", "jobs.status", "jobs.actors", "jobs.tasks"),
    *("jobs.middleware", "jobs.logging", "jobs.admin", "jobs.contrib.celery"),
    *("jobs.api.urls", "jobs.api.health_urls", "jobs.api.authentication", "jobs.api.permissions"),
    *("jobs.api.throttling", "jobs.erasure"),
)

JOBS: Final = [source for source in sources("jobs") if "migrations" not in source.path.parts]
MODULES: Final = {source.module for source in JOBS}
LEVELS: Final = {name: level for level, names in enumerate(LAYERS) for name in names}


def place_of(module: str) -> str:
    """Return the part of `jobs` that a module belongs to: ``api`` for ``jobs.api.views``, ```` for ``jobs``."""
    return module.partition(".")[2].partition(".")[0]


def imports_within_jobs() -> Iterator[tuple[Source, str, int]]:
    """Give the imports of modules of `jobs`, those for type checkers alone included."""
    for source in JOBS:
        for found in source.all_imports:
            target = found.target(MODULES)
            if target.partition(".")[0] == "jobs":
                yield source, target, found.line


def is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def test_every_module_has_a_place_in_the_layers_and_few_lie_at_the_root():
    places = {place_of(source.module) for source in JOBS} - {""}

    unknown = places - LEVELS.keys() - set(FREE)

    assert not unknown, f"say in LAYERS, CONTRIBUTING.md and docs/architecture.md where these belong: {sorted(unknown)}"
    assert len([source for source in JOBS if source.package == "jobs"]) <= 14


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_pages_for_contributors_show_these_layers(page: str):
    table = (ROOT / page).read_text().split("| layer |")[1].split("\n\n")[0]

    assert [set(re.findall(r"`(\w+)`", row)) for row in table.splitlines()[2:]] == [set(names) for names in LAYERS]


def test_imports_point_down():
    wrong = [
        f"{source}:{line} imports {target} from above"
        for source, target, line in imports_within_jobs()
        if place_of(source.module) in LEVELS and not is_at_most_beside(place_of(target), place_of(source.module))
        if (source.module, target) not in UPWARD
    ]

    assert not wrong, "\n".join(wrong)


def test_doors_do_not_import_each_other():
    wrong = [
        f"{source}:{line} imports {target}, another door"
        for source, target, line in imports_within_jobs()
        if place_of(source.module) in DOORS and place_of(target) in DOORS
        if place_of(source.module) != place_of(target)
    ]

    assert not wrong, "\n".join(wrong)


def is_at_most_beside(target: str, here: str) -> bool:
    """Whether a layer stands no higher than another; `jobs` itself leads up to all public names."""
    return target in LEVELS and LEVELS[target] >= LEVELS[here]


def test_no_module_imports_itself_by_a_detour():
    graph: dict[str, set[str]] = {}
    for source, target, _ in imports_within_jobs():
        if target != source.package:  # a package's own modules may take from it what it defines before it loads them
            graph.setdefault(source.module, set()).add(target)

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def is_public(origin: str, name: str | None) -> bool:
    """Whether a host may write ``import origin`` or ``from origin import name``; no name with ``_`` is for hosts."""
    if name is not None and name.startswith("_"):
        return False
    if origin == "jobs":
        return name is None or name in jobs.__all__ or f"jobs.{name}" in PUBLIC_MODULES
    return origin in PUBLIC_MODULES


# What no file of a place may import, by the claim.
WRONG: Final[dict[str, tuple[Iterable[Source], Callable[[Import], bool]]]] = {
    "imports inside jobs are relative": (JOBS, lambda found: is_below(found.origin, "jobs") and not found.relative),
    "imports outside jobs are absolute": (sources("jobsite", "tests", "manage.py"), lambda found: found.relative),
    "jobs does not know the reference host or the tests": (
        sources("jobs"),
        lambda found: is_below(found.origin, "jobsite") or is_below(found.origin, "tests"),
    ),
    "the reference host imports only public names": (
        sources("jobsite"),
        lambda found: is_below(found.origin, "jobs") and not is_public(found.origin, found.name),
    ),
}


@pytest.mark.parametrize(("files", "is_wrong"), WRONG.values(), ids=WRONG)
def test_no_file_of_a_place_imports_what_it_may_not(files: Iterable[Source], is_wrong: Callable[[Import], bool]):
    assert_none_imports(files, is_wrong)


@pytest.mark.parametrize(("library", "places"), LIBRARIES.items())
def test_a_library_is_imported_only_where_it_belongs(library: str, places: tuple[str, ...]):
    elsewhere = [source for source in JOBS if place_of(source.module) not in (*places, *FREE)]

    assert_none_imports(
        elsewhere,
        lambda found: is_below(found.origin, library) or is_below(f"{found.origin}.{found.name}", library),
    )


def assert_none_imports(files: Iterable[Source], is_wrong: Callable[[Import], bool]) -> None:
    wrong = [
        f"{source}:{found.line} imports {found.origin}.{found.name}"
        for source in files
        for found in source.imports
        if is_wrong(found)
    ]

    assert not wrong, "\n".join(wrong)
