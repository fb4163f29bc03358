"""Runs a map on the rows of a random graph, and compares every row of every table with what must be left."""

from django.test.utils import isolate_apps

from jobs.erasure.planning import plan_of
from tests.support.erase_maps import APP, preview_of, run_map, tables_of
from tests.support.factories import make_project
from tests.support.random_graphs import ROOT, Graph, expected, insert, models_of, read


def check_run(graph: Graph) -> None:
    """Fail if a run leaves or changes one row too many, or its receipt counts another number."""
    mine, theirs = make_project(), make_project()
    with isolate_apps(APP):
        made = models_of(graph)
        told = graph.map_of(made)
        assert not plan_of(told).problems, plan_of(told).problems
        with tables_of(*made.values()):
            insert(graph, made, [mine, theirs])
            before = read(graph, made)
            told_before = preview_of(told, project=mine)
            left, counts = expected(graph, before, project=mine.pk)
            job = run_map(told, project=mine, completes=left is not None)
            after = read(graph, made)

    assert after == (left or before)
    assert bool(told_before.refused_by) == (left is None)
    if left is None:
        return
    stores = job.receipt["stores"]
    assert {store.name: store.rows for store in told_before.stores} == {
        name: entry["found"] for name, entry in stores.items()
    }
    assert told_before.found_nothing == job.receipt["found_nothing"]
    assert {name: stores[f"hostapp.{name}"]["found"] for name in counts} == counts
    assert {name: stores[f"hostapp.{name}"]["done"] for name in counts} == {
        name: 0 if graph.what[name] == "keep" else count for name, count in counts.items()
    }
    assert job.receipt["found_nothing"] == (counts[ROOT] == 0)
