"""Short runs of faults that actions bring with them, of frozen connections and of ended sessions."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.concurrency import postgresql_only

pytestmark = [pytest.mark.timeout(300), pytest.mark.uses_database]

RunChaos = Callable[..., dict[str, Any]]

SEED = 20261130
FAULTS_OF_CONNECTIONS = 7  # each kind once
SESSIONS = 80
RESIDUES = 11  # each kind once
STOPS = 4


@postgresql_only
def test_workers_and_api_survive_connections_that_freeze_or_are_cut(run_chaos: RunChaos) -> None:
    result = run_chaos("proxy", f"--count={FAULTS_OF_CONNECTIONS}", f"--seed={SEED}")

    assert result["is_clean"], result
    assert len(result["faults"]) == sum(result["faults"].values()) == FAULTS_OF_CONNECTIONS


@postgresql_only
def test_no_answered_call_is_lost_or_doubled_while_sessions_are_ended(run_chaos: RunChaos) -> None:
    result = run_chaos("terminate", f"--count={SESSIONS}", f"--seed={SEED}")

    assert result["is_clean"], result
    assert sum(result["faults"].values()) == SESSIONS
    assert result["calls"]["created"] > 0


@postgresql_only
def test_no_job_sees_what_another_has_left_on_its_session(run_chaos: RunChaos) -> None:
    result = run_chaos("residue", f"--count={RESIDUES}", f"--seed={SEED}")

    assert result["is_clean"], result


def test_workers_end_in_time_whatever_their_actions_have_forked(run_chaos: RunChaos) -> None:
    result = run_chaos("forks", f"--count={STOPS}", f"--seed={SEED}")

    assert result["is_clean"], result
    assert result["faults"] == {"fork, term": STOPS}
