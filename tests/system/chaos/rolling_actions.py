"""The actions of a host before and after a release that renames, removes, retires and adds some of them.

Processes whose environment names the release register them, beside the actions of every run.
"""

from datetime import timedelta
from pathlib import Path
from typing import Final

import jobs
from jobs import JobContext, JobFailed, action
from tests.system.chaos.job_actions import PATIENT, consume

CODE: Final = "CHAOS_CODE"
OLD_PACKAGE: Final = "CHAOS_OLD_PACKAGE"
OLD: Final = "old"
NEW: Final = "new"
RETIRED: Final = "It was retired."
# What each release offers to callers.
OFFERED: Final = {
    OLD: ("roll_kept", "roll_before", "roll_removed", "roll_retired"),
    NEW: ("roll_kept", "roll_after", "roll_added"),
}
# How jobs of the actions that the new release does not run may fail, and no others may.
UNKNOWN: Final = "No action called {} is known to the worker."
REASONS: Final = {
    "roll_before": UNKNOWN.format("roll_before"),
    "roll_removed": UNKNOWN.format("roll_removed"),
    "roll_retired": RETIRED,
}


def register(code: str, old_package: str) -> None:
    """Register the actions of a release; with ``old_package``, check that the app itself comes from there."""
    if old_package and not Path(jobs.__file__).is_relative_to(old_package):
        raise RuntimeError(f"the old release would run with {jobs.__file__}")
    for name in OFFERED[code]:
        action(name, description="Consume {reference_id}", public=True, **PATIENT)(consume)
    if code == NEW:
        action("roll_retired", description="Consume {reference_id}", **PATIENT)(retire)
        from jobs.execution import outcomes  # which the old release does not have

        assert hasattr(outcomes, "DEFAULT_BACKOFF"), "it was renamed"
        outcomes.DEFAULT_BACKOFF = timedelta(milliseconds=200)  # type: ignore[misc]  # of unknown actions; a short time


def retire(job: JobContext) -> None:
    """End a job that waits from the time before the release, with a sentence that integrators can read."""
    raise JobFailed(RETIRED)
