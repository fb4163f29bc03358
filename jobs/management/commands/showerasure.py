"""``manage.py showerasure``: prints the erase maps."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ...erasure.drawing import picture_of, tree_of
from ...erasure.planning import plan_of
from ...erasure.subjects import mapped_actions
from ..base import JobsCommand


class Command(JobsCommand):
    help = "Prints what the erase maps do: the models that a person's rows are in, and the order of the erase."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--action", help="only the map of this action")
        parser.add_argument("--dot", action="store_true", help="print pictures in the language of Graphviz")

    def handle(self, *, action: str | None, dot: bool, **_: Any) -> None:
        maps = mapped_actions()
        if action is not None and action not in maps:
            raise CommandError(f"{action!r} is no action with an erase map; those are: {', '.join(maps) or 'none'}")
        chosen = [maps[action]] if action is not None else list(dict.fromkeys(maps.values()))
        plans = [plan_of(subject) for subject in chosen]
        self.stdout.write("\n\n".join(picture_of(plan) if dot else tree_of(plan) for plan in plans))
        for problem in (each for plan in plans for each in plan.problems):
            self.stderr.write(f"{problem.text} {problem.cure}")
