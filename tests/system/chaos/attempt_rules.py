"""Rules of the checker about attempts: each is counted, sessions are clean, workers end in time."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from tests.system.chaos.evidence import Evidence, Fault

Finding = tuple[str, str]

# Actions with a fault of their own: they may end as failed, after this many attempts at most.
FAULTY: Final = ("hang_", "loop_")
MOST_ATTEMPTS: Final = 40
# Faults that are not the doing of the jobs that their worker had.
EXCUSES: Final = ("cut", "disk", "exception", "freeze", "term")
ENDINGS: Final = ("rescued", "released", "retrying", "completed", "failed", "cancelled")
SHUT_DOWN: Final = "The worker shut down."
# Promised are 10; a busy computer notes the end late.
EXIT_SECONDS: Final = 11
# A worker notices an outage late, and goes on for a moment after it.
SLACK: Final = timedelta(seconds=2)


def check_counted(evidence: Evidence) -> Iterator[Finding]:
    """Every attempt that began is in a counter, unless it ended by its outcome or with the database away."""
    begun: dict[int, set[int]] = defaultdict(set)
    for line in evidence.attempts:
        if line["what"] == "attempt":
            begun[line["job"]].add(line["attempt"])
    stops = {lifetime.pid: lifetime.stopped for lifetime in evidence.lifetimes if lifetime.stopped}
    excused = {claim for fault in evidence.faults if fault.kind in EXCUSES for claim in fault.claims}
    outages = [fault for fault in evidence.faults if fault.until is not None]
    # A fault that made a worker end is noted later, when it may have claimed another job or released one.
    ending = {fault.pid for fault in evidence.faults if fault.kind in ("term", "exception")}
    for job_id, attempts in begun.items():
        job, events = evidence.jobs.get(job_id), evidence.events.get(job_id, [])
        if job is None:
            continue
        ends = _ends(events, attempts)
        crashed = sum(end["what"] == "rescued" for end in ends)
        failed = sum(end["what"] == "retrying" for end in ends)
        if job["crashes"] < crashed or job["failures"] < failed:
            told = f"{job['crashes']} crashes and {job['failures']} failures"
            yield "uncounted", f"job {job_id} crashed {crashed} times and failed {failed} times, the row has {told}"
        released = [
            end
            for end in ends
            if end["what"] == "released"
            and (job_id, end["attempt"]) not in excused
            and not _is_excused(end, events, stops, outages)
            and not (end["note"] == SHUT_DOWN and _pid_of(end) in ending)
        ]
        for end in released[job["interruptions"] :]:
            yield "uncounted", f"job {job_id} went back after attempt {end['attempt']}: {end['note']}"
        if job["action"].startswith(FAULTY) and job["attempt"] > MOST_ATTEMPTS:
            yield "stuck", f"job {job_id} went round {job['attempt']} times"


def check_sessions(evidence: Evidence) -> Iterator[Finding]:
    """No job sees what another one has left on a session."""
    for line in evidence.attempts:
        if line["what"] == "residue":
            yield "lies", f"job {line['job']} saw what another had left: {line['found']}"


def check_exits(evidence: Evidence) -> Iterator[Finding]:
    """A worker ends within 10 s after SIGTERM."""
    for lifetime in evidence.lifetimes:
        if (lifetime.exit_seconds or 0) > EXIT_SECONDS:
            yield "stuck", f"worker {lifetime.pid} ended {lifetime.exit_seconds:.1f} s after SIGTERM"


def _ends(events: list[dict[str, Any]], attempts: set[int]) -> list[dict[str, Any]]:
    """Return the event that ended each of the attempts."""
    found = {event["attempt"]: event for event in reversed(events) if event["what"] in ENDINGS}
    return [found[attempt] for attempt in sorted(attempts) if attempt in found]


def _is_excused(
    end: dict[str, Any], events: list[dict[str, Any]], stops: dict[int, datetime], outages: list[Fault]
) -> bool:
    """Whether the worker was asked to stop, or the database away for some of the attempt."""
    claimed = next(
        event for event in reversed(events) if event["what"] == "claimed" and event["attempt"] == end["attempt"]
    )
    pid = _pid_of(claimed)
    if pid in stops and stops[pid] <= end["at"]:
        return True
    return any(fault.at <= end["at"] and claimed["at"] <= (fault.until or fault.at) + SLACK for fault in outages)


def _pid_of(event: dict[str, Any]) -> int:
    """Return the process of an event that a worker has written."""
    return int(event["actor"].split(":")[2])
