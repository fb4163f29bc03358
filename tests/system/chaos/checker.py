"""The checker: compares the evidence of a run with what is promised; it knows nothing of how promises are kept.

lost     an acknowledged job without a row, or one that ended neither by its work nor by a cancel; an item that is
         gone and not recorded
doubled  an item in the ledger twice; two rows for one call; two active jobs of a unique action for one reference
ghost    a row nobody asked for, or that was refused; an effect of no job
stuck    not final, though the time to get there has passed
lies     an effect or another status after an acknowledged cancel; completed with rows left; a final row that changed;
         an end that is not the last event; counts that are not the ledger's; a start before its time;
         a good call refused; an answer that is no job and no error in the envelope
uncounted an attempt that began and ended otherwise than by its outcome, and that no counter has
taken    a job taken from a worker that was alive and awake; it costs time only, so it is counted apart

A call cut off before its answer may have happened or not, but never twice.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from statistics import quantiles
from typing import Any, Final

from tests.system.chaos.attempt_rules import FAULTY, check_counted, check_exits, check_sessions
from tests.system.chaos.evidence import Evidence, Lifetime

KINDS: Final = ("lost", "doubled", "ghost", "stuck", "uncounted", "lies", "taken")
FINAL: Final = ("completed", "failed", "cancelled")
CLOCK_STEP: Final = timedelta(milliseconds=2)  # SQLite rounds instants to milliseconds
SHARED: Final = "shared-"
# These write no ledger.
ERASES: Final = ("erase_items", "erase_notes")
# The failpoints that a request reaches.
IN_THE_API: Final = ("create.", "cancel.")
# A good create is refused for one of these alone; the last two promise that nothing was changed.
REFUSALS: Final = ("active_job_exists", "busy", "unavailable")
Finding = tuple[str, str]


@dataclass(kw_only=True)
class Verdict:
    """What was found, by kind, and how long it took until jobs ran again after a kill."""

    found: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    recovery: list[float] = field(default_factory=list)
    rescue: list[float] = field(default_factory=list)
    jobs: int = 0
    unknown: int = 0
    cancels: int = 0
    effects: int = 0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        return {kind: len(found) for kind, found in self.found.items()}

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept; jobs taken from the living cost time only."""
        return not any(count for kind, count in self.counts.items() if kind != "taken")


def check(evidence: Evidence) -> Verdict:
    """Compare what was asked for, what was done and what the rows say."""
    verdict = Verdict(
        jobs=len(evidence.jobs),
        unknown=len(_intents(evidence, "create") - _intents(evidence, "created", "refused")),
        cancels=sum(call["what"] == "cancelled" for call in evidence.calls),
        effects=len(evidence.effects),
        statuses=dict(Counter(job["status"] for job in evidence.jobs.values())),
        recovery=sorted(_waits(evidence, "claimed")),
        rescue=sorted(_waits(evidence, "rescued")),
    )
    rules = (_check_calls, _check_ledger, _check_unique, _check_ends, _check_cancels, _check_events, _check_taken)
    for rule in (*rules, check_counted, check_sessions, check_exits):
        for kind, text in rule(evidence):
            verdict.found[kind].append(text)
    return verdict


def percentiles(values: list[float]) -> tuple[float, float, float]:
    """Return the median, the 99th percentile and the maximum; zeros if there is nothing."""
    if len(values) < 2:
        return (values[0],) * 3 if values else (0.0, 0.0, 0.0)
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98], max(values)


def _intents(evidence: Evidence, *what: str) -> set[str]:
    """Return the intents of the calls that have such a line in the log."""
    return {call["intent"] for call in evidence.calls if call["what"] in what}


def _removed(evidence: Evidence) -> Counter[int]:
    return Counter(effect["job_id"] for effect in evidence.effects)


def _claimed_at(evidence: Evidence, job_id: int) -> list[Any]:
    return [event["at"] for event in evidence.events.get(job_id, []) if event["what"] == "claimed"]


def _check_calls(evidence: Evidence) -> Iterator[Finding]:
    """Every acknowledged create is one row; every row was asked for, and not refused."""
    rows = Counter(job["description"] for job in evidence.jobs.values())
    asked, refused = _intents(evidence, "create"), _intents(evidence, "refused")
    for call in evidence.calls:
        if call["what"] == "created":
            job = evidence.jobs.get(call["job"])
            if job is None or job["description"] != call["intent"]:
                yield "lost", f"job {call['job']} was acknowledged and is not there"
        if call["what"] == "refused" and call["code"] not in REFUSALS:
            yield "lies", f"call {call['intent']} was good and was refused as {call['code']}"
        if call["what"] == "malformed":
            yield "lies", f"an answer was {call['text']}"
        if call["what"] == "late":
            yield "stuck", f"a {call['method']} was not answered within {call['seconds']:.1f} s"
    # An exception that no code expects is a 500 to the call that met it.
    injected = [fault for fault in evidence.faults if fault.kind == "exception" and fault.place.startswith(IN_THE_API)]
    errors = [call for call in evidence.calls if call["what"] == "server_error"]
    for call in errors[len(injected) :]:
        yield "lies", f"an answer was {call['text']}"
    for intent, count in rows.items():
        if count > 1:
            yield "doubled", f"call {intent} made {count} rows"
        if intent not in asked or intent in refused:
            yield "ghost", f"a row for call {intent}, which was {'refused' if intent in asked else 'never made'}"


def _check_ledger(evidence: Evidence) -> Iterator[Finding]:
    """Each item is removed once, by a job, before that job's end; the job's own count says the same."""
    lines = Counter((effect["job_id"], effect["item"]) for effect in evidence.effects)
    items = Counter(effect["item"] for effect in evidence.effects)
    for (job_id, item), count in lines.items():
        if count > 1:
            yield "doubled", f"item {item} was removed {count} times by job {job_id}"
    for item, count in items.items():
        if count > 1 and not any(key[1] == item and n > 1 for key, n in lines.items()):
            yield "doubled", f"item {item} was removed by {count} jobs"
    for effect in evidence.effects:
        job = evidence.jobs.get(effect["job_id"])
        if job is None:
            yield "ghost", f"item {effect['item']} was removed by job {effect['job_id']}, which is not there"
        elif job["finished_at"] is not None and effect["at"] > job["finished_at"] + CLOCK_STEP:
            yield "lies", f"job {job['id']} is {job['status']} and removed item {effect['item']} afterwards"
    done = Counter(job_id for job_id, _ in lines.elements())
    for job in evidence.jobs.values():
        if job["action"] not in ERASES and job["progress_done"] != done[job["id"]]:
            yield "lies", f"job {job['id']} counts {job['progress_done']} items, the ledger {done[job['id']]}"


def _check_unique(evidence: Evidence) -> Iterator[Finding]:
    """No two jobs of a unique action for one reference were active at one time."""
    spans: dict[tuple[Any, str], list[dict[str, Any]]] = {}
    for job in evidence.jobs.values():
        if job["action"] == "consume_once":
            spans.setdefault((job["project_id"], job["reference_id"]), []).append(job)
    for jobs in spans.values():
        jobs.sort(key=lambda job: job["id"])
        for first, second in pairwise(jobs):
            # Not created_at: that is read before an INSERT that may wait for the end of the job before.
            began = min(_claimed_at(evidence, second["id"]), default=None)
            if first["finished_at"] is None or (began is not None and began + CLOCK_STEP < first["finished_at"]):
                yield "doubled", f"jobs {first['id']} and {second['id']} of one reference were active together"


def _check_ends(evidence: Evidence) -> Iterator[Finding]:
    """Every job ends; completed is true; a final row stays as it was first seen."""
    items = {call["intent"]: call["items"] for call in evidence.calls if call["what"] == "create"}
    removed = _removed(evidence)
    for job in evidence.jobs.values():
        left = evidence.left.get(job["reference_id"], 0)
        if job["status"] not in FINAL:
            if job["start_at"] > evidence.at:
                continue
            yield "stuck", f"job {job['id']} is still {job['status']}, attempt {job['attempt']}"
        elif job["status"] == "failed" and not job["action"].startswith(FAULTY):
            yield "lost", f"job {job['id']} failed: {job['errors']}"
        elif job["status"] == "completed" and not job["reference_id"].startswith(SHARED):
            asked = items.get(job["description"], 0)
            if left:
                yield "lies", f"job {job['id']} is completed and {left} of its items are left"
            elif (job["progress_done"] if job["action"] in ERASES else removed[job["id"]]) != asked:
                yield "lost", f"job {job['id']} is completed, its {asked} items are gone, not all are in the ledger"
    for job_id, seen in evidence.finals_seen.items():
        now = evidence.jobs.get(job_id)
        changed = [name for name, value in seen.items() if now is None or now[name] != value]
        if changed:
            yield "lies", f"job {job_id} was {seen['status']}, then changed {', '.join(changed)}"


def _check_cancels(evidence: Evidence) -> Iterator[Finding]:
    """After an acknowledged cancel nothing happens; a refused one tells the truth."""
    removed = _removed(evidence)
    for call in evidence.calls:
        job = evidence.jobs.get(call.get("job", 0))
        if job is None:
            continue
        if call["what"] == "cancelled" and job["status"] != "cancelled":
            yield "lies", f"job {job['id']} was acknowledged as cancelled and is {job['status']}"
        if call["what"] == "cancel_refused" and call["status"] != job["status"]:
            yield "lies", f"a cancel of job {job['id']} was told {call['status']}, and it is {job['status']}"
        # A job is cancelled by one call at most, so that nobody else can have done it.
        if call["what"] == "cancel_busy" and job["status"] == "cancelled":
            yield "lies", f"a cancel of job {job['id']} was told that nothing was changed, and it is cancelled"
        if call["what"] == "seen_after_cancel":
            if removed[job["id"]] != call["effects"]:
                yield "lies", f"job {job['id']} had {call['effects']} effects at its cancel, now {removed[job['id']]}"
            left = evidence.left.get(job["reference_id"], 0)
            if left != call["left"] and not job["reference_id"].startswith(SHARED):
                yield "lies", f"job {job['id']} had {call['left']} items left when cancelled, now {left}"


def _check_events(evidence: Evidence) -> Iterator[Finding]:
    """The events tell one story: one end, the last of them, the row's own; attempts grow; nothing starts early."""
    for job in evidence.jobs.values():
        events = evidence.events.get(job["id"], [])
        ends = [event for event in events if event["to_status"] in FINAL]
        is_told = bool(events) and events[-1]["to_status"] == job["status"]
        if not is_told or len(ends) > 1 or (ends and ends[-1] is not events[-1]):
            story = ", ".join(event["what"] for event in events)
            yield "lies", f"job {job['id']} is {job['status']}, its events are: {story}"
        claims = [event for event in events if event["what"] == "claimed"]
        if [event["attempt"] for event in claims] != list(range(1, len(claims) + 1)):
            yield "lies", f"job {job['id']} was claimed as attempts {[event['attempt'] for event in claims]}"
        if claims and claims[0]["at"] + CLOCK_STEP < job["start_at"]:
            yield "lies", f"job {job['id']} started {job['start_at'] - claims[0]['at']} before its time"


def _check_taken(evidence: Evidence) -> Iterator[Finding]:
    """A job is rescued from a worker that has ended, or that was frozen or cut off in the attempt."""
    excused = {claim for fault in evidence.faults for claim in fault.claims}
    for job_id, events in evidence.events.items():
        worker = ""
        for event in events:
            if event["what"] == "claimed":
                worker = event["actor"]
            if event["what"] == "rescued" and (job_id, event["attempt"]) not in excused:
                lifetime, at = _lifetime_of(evidence, worker, event["at"]), event["at"]
                if lifetime is None or (lifetime.ended is not None and lifetime.ended <= at):
                    continue
                if not any(start <= at for start, _ in lifetime.frozen):
                    yield "taken", f"job {job_id} was taken from {worker}, which was alive"


def _lifetime_of(evidence: Evidence, worker: str, at: Any) -> Lifetime | None:
    pid = int(worker.split(":")[2]) if worker.count(":") >= 3 else 0
    found = [lifetime for lifetime in evidence.lifetimes if lifetime.pid == pid and lifetime.started <= at]
    return found[-1] if found else None


def _waits(evidence: Evidence, what: str) -> Iterator[float]:
    """Yield the seconds from a worker's kill to the next event ``what`` of each job it had: its rescue or its claim."""
    for fault in evidence.faults:
        if fault.kind not in ("kill", "random kill"):
            continue
        for job_id, attempt in fault.claims:
            wanted = attempt + 1 if what == "claimed" else attempt
            events = evidence.events.get(job_id, [])
            following = [event for event in events if event["what"] == what and event["attempt"] == wanted]
            if following:
                yield max(0.0, (following[0]["at"] - fault.at).total_seconds())
