"""No setting of the host's framework leaks into our answers."""

import json

import pytest
from rest_framework.settings import DEFAULTS

from jobs.api.base import ApiViewSet
from tests.support.processes import run_python

pytestmark = pytest.mark.uses_database

KINDS = ("_CLASS", "_CLASSES", "_BACKENDS")
OF_THE_SCHEMA = "schema_class"  # no answer depends on it


def test_every_policy_that_has_a_global_default_is_pinned():
    policies = {
        key.removeprefix("DEFAULT_").lower() for key in DEFAULTS if key.startswith("DEFAULT_") and key.endswith(KINDS)
    }

    unpinned = policies - vars(ApiViewSet).keys() - {OF_THE_SCHEMA}

    assert len(policies) > 8
    assert not unpinned


def test_a_hostile_host_changes_nothing():
    done = run_python("-m", "tests.support.hostile_host", settings="")  # it configures Django itself

    assert done.returncode == 0, done.stderr
    *answers, in_transaction = json.loads(done.stdout)
    assert [(status, kind) for status, kind, _ in answers] == [
        (status, "application/json") for status in (200, 200, 201, 400, 400, 405, 401, 401, 404)
    ]
    listed, found, created, refused, invalid, *errors = (body for _, _, body in answers)
    assert len(listed["data"]) == 2
    assert found["data"]["referenceId"] == created["data"]["referenceId"] == "é"
    assert refused["error"] == "referenceId: is required"
    assert (refused["details"]["field"], invalid["details"]["field"]) == ("referenceId", "jobId")
    assert all(list(error) == ["error", "code", "requestId", "docs"] for error in errors)
    assert in_transaction == [False]
