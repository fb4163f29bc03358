"""How many jobs a worker claims ahead of its idle threads."""

import time
from typing import Final

from .claim_order import Candidate

CLAIM_AHEAD_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 200
# A job that must run alone waits this long for the process to be idle by itself.
SOLO_PATIENCE_SECONDS: Final = 3.0
# After that the process claims nothing for this long, so that it becomes idle; together they keep a rescue within 75 s.
ROOM_SECONDS: Final = 30.0
# If the running jobs take longer still, the process claims other jobs again for this long.
NO_ROOM_SECONDS: Final = 60.0


class PrefetchLimit:
    """Chooses how many candidates to claim: what this process can begin within about a second.

    Only actions that proved short are claimed ahead of an idle thread: a job that waits in
    this process's buffer is kept from other workers, which may be idle.
    """

    def __init__(self) -> None:
        self._seconds_by_action: dict[str, float] = {}
        self._solo_since: float | None = None

    def learn(self, action: str, seconds: float) -> None:
        """Note how long a job of ``action`` took; a longer time counts at once, a shorter one by 30 %."""
        before = self._seconds_by_action.get(action, seconds)
        self._seconds_by_action[action] = max(seconds, 0.7 * before + 0.3 * seconds)

    def choose(self, candidates: list[Candidate], *, idle: int, quick: int, has_leases: bool) -> list[Candidate]:
        """Return the candidates to claim: one for each idle thread, and what ``quick`` threads can begin soon.

        ``quick`` counts the threads that are idle or began their job less than a second ago. A
        candidate that must run alone is returned alone, and only if the process has no leases.
        """
        spent, budget = 0.0, quick * CLAIM_AHEAD_SECONDS
        chosen: list[Candidate] = []
        solo: Candidate | None = None
        for candidate in candidates:
            if candidate.runs_alone:
                solo = solo or candidate
                continue
            cost = self._seconds_by_action.get(candidate.action)
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
