"""An action that raises what a recorder cannot read, or breaks the code of its own worker that records."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NoReturn

from jobs import JobContext, JobFailed, action
from jobs.execution import outcomes
from jobs.lifecycle import transitions

ENDS_AT_ONCE: Final = ("exception", "none", "number", "silent")
COSTS_ATTEMPTS: Final = ("mute", "exit", "interrupt", "recording", "unrecordable")


class Silent(JobFailed):
    def __init__(self, *_: str) -> None:
        pass


class Mute(BaseException):
    def __str__(self) -> NoReturn:
        raise ValueError

    __repr__ = __str__


RAISED: Final[dict[str, Callable[[], BaseException]]] = {
    "exception": lambda: JobFailed(ValueError("No invoice.")),  # type: ignore[arg-type]
    "none": lambda: JobFailed(None),  # type: ignore[arg-type]
    "number": lambda: JobFailed(42),  # type: ignore[arg-type]
    "silent": lambda: Silent("a", "b"),
    "mute": Mute,
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
}


@action("poison", description="Poison", max_attempts=2, backoff=timedelta(milliseconds=1))
def poison(job: JobContext) -> None:
    """Raise what the reference names, or break what records this job, once or in every way."""
    if job.reference_id == "recording":
        _break(outcomes, "count_failure", lambda attempt, *_: attempt.job.pk == job.id, times=1)
    elif job.reference_id == "unrecordable":
        for name in ("retry_later", "fail", "complete", "release", "interrupt"):
            _break(transitions, name, lambda fence, *_: fence.job_id == job.id, times=1_000)
    raise RAISED.get(job.reference_id, ValueError)()


def _break(owner: Any, name: str, concerns: Callable[..., bool], *, times: int) -> None:
    real, left = getattr(owner, name), [None] * times

    def broken(*arguments: Any, **facts: Any) -> Any:
        if concerns(*arguments) and left:
            left.pop()
            raise LookupError
        return real(*arguments, **facts)

    setattr(owner, name, broken)
