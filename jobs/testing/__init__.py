"""Helpers for the tests of host projects: factories, and a worker that runs due jobs in the test's transaction.

The names are loaded on first use, as pytest may load ``jobs.testing.fixtures`` before
Django is set up.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .factories import make_api_key, make_job, make_organization, make_project
    from .running import run_due_jobs

__all__ = ["make_api_key", "make_job", "make_organization", "make_project", "run_due_jobs"]

_HOMES: Final = {"run_due_jobs": "running"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'factories')}", __name__), name)
