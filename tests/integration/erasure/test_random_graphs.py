"""In any graph of models, a run erases the person's rows and touches no other: row by row, in every table."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.graph_runs import check_run
from tests.support.random_graphs import Graph, graphs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(graph=graphs(most=5))
def test_a_run_leaves_exactly_what_the_map_says(graph: Graph):
    check_run(graph)
