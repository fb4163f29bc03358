"""How many jobs a worker claims ahead of its idle threads."""

import time
from typing import Final

from .claim_order import Candidate

CLAIM_AHEAD_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 200
# A job that must run alone waits so long for its process to be idle; then the process makes room, so long; and if
# what still runs takes longer than that, it lets others pass, so long. The first two keep a rescue within 75 s.
SOLO_PATIENCE_SECONDS: Final = 3.0
ROOM_SECONDS: Final = 30.0
NO_ROOM_SECONDS: Final = 60.0


class PrefetchLimit:
    """How many jobs this process should hold: what it can begin within about a second.

    Only actions that proved short are claimed ahead of an idle thread; leases of jobs
    that stand in line keep them from workers that have time.
    """

    def __init__(self) -> None:
        self._pace: dict[str, float] = {}
        self._solo_since: float | None = None

    def learn(self, action: str, seconds: float) -> None:
        """Note how long a job of ``action`` took; a longer one counts at once, shorter ones bit by bit."""
        before = self._pace.get(action, seconds)
        self._pace[action] = max(seconds, 0.7 * before + 0.3 * seconds)

    def choose(self, candidates: list[Candidate], *, idle: int, quick: int, has_leases: bool) -> list[Candidate]:
        """Take for the ``idle`` threads, and what ``quick`` threads can begin soon; one that runs alone, alone."""
        spent, budget = 0.0, quick * CLAIM_AHEAD_SECONDS
        chosen: list[Candidate] = []
        solo: Candidate | None = None
        for candidate in candidates:
            if candidate.runs_alone:
                solo = solo or candidate
                continue
            cost = self._pace.get(candidate.action)
            if len(chosen) >= idle and (cost is None or spent + cost > budget or len(chosen) >= MOST_AT_ONCE):
                break
            spent += cost or 0.0
            chosen.append(candidate)
        return self._with_solo(chosen, solo, has_leases)

    def _with_solo(self, chosen: list[Candidate], solo: Candidate | None, has_leases: bool) -> list[Candidate]:
        if solo is None or not has_leases:
            self._solo_since = None
            return chosen if solo is None else [solo]
        now = time.monotonic()
        self._solo_since = self._solo_since or now
        if now - self._solo_since > SOLO_PATIENCE_SECONDS + ROOM_SECONDS:
            self._solo_since = now + NO_ROOM_SECONDS - SOLO_PATIENCE_SECONDS
        return [] if now - self._solo_since > SOLO_PATIENCE_SECONDS else chosen
