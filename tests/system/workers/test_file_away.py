"""A worker whose SQLite file is taken away under it, and comes back."""

from pathlib import Path

import pytest
from django.db import connection

from jobs.status import Status
from tests.support.concurrency import sqlite_only, until
from tests.support.factories import make_job, make_project
from tests.support.worker_process import until_status, worker_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120), sqlite_only]


def test_a_worker_says_that_its_file_was_taken_away_and_works_on_when_it_is_back():
    path = Path(connection.settings_dict["NAME"])
    away = path.with_suffix(".away")
    project = make_project()
    with worker_process() as worker:
        until_status(make_job(project=project, action="note"), Status.COMPLETED, worker=worker)
        connection.close()
        path.rename(away)
        try:
            until(lambda: "is not the one at its path any more" in worker.log, what="the worker to say so")
        finally:
            away.replace(path)

        until_status(make_job(project=project, action="note"), Status.COMPLETED, worker=worker)
        assert worker.stop() == 0
