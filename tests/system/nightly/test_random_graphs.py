"""A thousand random graphs of models, each with rows of two persons in two projects, are erased by their maps."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.graph_runs import check_run
from tests.support.random_graphs import Graph, graphs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(7200)]


@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck), database=None, print_blob=True)
@given(graph=graphs())
def test_a_run_leaves_exactly_what_the_map_says(graph: Graph):
    check_run(graph)
