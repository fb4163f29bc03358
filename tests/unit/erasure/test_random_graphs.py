"""In any graph of models, exactly the reached models that a map leaves out are reported."""

from django.test.utils import isolate_apps
from hypothesis import HealthCheck, given, settings, strategies

from jobs.erasure.plan import Fault
from jobs.erasure.planning import plan_of
from tests.support.erase_maps import APP
from tests.support.random_graphs import ROOT, Graph, graphs, models_of


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(graph=graphs(most=10), data=strategies.data())
def test_every_model_left_out_is_reported_and_no_other(graph: Graph, data: strategies.DataObject):
    reached = graph.reached(graph.what)
    without = frozenset(data.draw(strategies.sets(strategies.sampled_from(graph.names)))) & reached - {ROOT}

    with isolate_apps(APP):
        plan = plan_of(graph.map_of(models_of(graph), without=without))

    told = [each for each in plan.problems if each.fault is Fault.LEFT_OUT]
    named = {each.text.split(" happens to hostapp.")[1].split(",")[0] for each in told}
    # What a map does not keep leads on, also if it does not say anything of it.
    declared = {name: what for name, what in graph.what.items() if name in reached - without}
    assert named == graph.reached(declared) - declared.keys()
    if not without:
        assert plan.problems == ()
