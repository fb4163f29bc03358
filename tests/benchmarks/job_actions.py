"""The actions that are measured. They append their figures to the file that ``BENCHMARK_FILE`` names."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs import JobContext, action
from jobs.erasure import erase, step, subject
from jobs.execution.chunks import Chunk
from tests.benchmarks.models import Basket, HeardBasket, Item, Visit


@action("benchmark_nothing", description="Do nothing for {reference_id}")
def do_nothing(job: JobContext) -> None:
    """Do nothing."""


@action("benchmark_pick_up", description="Say when {reference_id} began")
def pick_up(job: JobContext) -> None:
    """Write down the instant of the first line, by the clock that all processes of a machine share."""
    tell(f"{job.reference_id} {time.monotonic_ns()}")


@action("benchmark_erase_plain", description="Erase the visits of {reference_id}")
def erase_plain(job: JobContext) -> None:
    """Erase rows that nothing refers to."""
    time_chunks(job)
    job.erase("rows", Visit.objects.filter(project_number=1, user_id=job.reference_id))


@action("benchmark_erase_cascade", description="Erase the baskets of {reference_id}")
def erase_cascade(job: JobContext) -> None:
    """Erase rows with those that refer to them."""
    time_chunks(job)
    job.erase("rows", Basket.objects.filter(user_id=job.reference_id))


@action("benchmark_erase_stores", description="Erase items and baskets of {reference_id}")
def erase_stores(job: JobContext) -> None:
    """Erase the same rows store by store, as a map does."""
    time_chunks(job)
    job.erase("items", Item.objects.filter(basket__user_id=job.reference_id))
    job.erase("rows", Basket.objects.filter(user_id=job.reference_id))


@action("benchmark_erase_signals", description="Erase the baskets of {reference_id}")
def erase_signals(job: JobContext) -> None:
    """Erase rows with those that refer to them, and send the signals of all."""
    time_chunks(job)
    job.erase("rows", HeardBasket.objects.filter(user_id=job.reference_id))


def time_chunks(job: JobContext) -> None:
    """Write down from now on how long each chunk took."""
    open_chunk = job.chunk

    @contextmanager
    def timed() -> Iterator[Chunk]:
        begun = time.monotonic()
        with open_chunk() as chunk:
            yield chunk
        tell(str(time.monotonic() - begun))

    job.chunk = timed  # type: ignore[method-assign]


def tell(line: str) -> None:
    """Append one line; a line is written at once, so a reader sees it whole or not at all."""
    with Path(os.environ["BENCHMARK_FILE"]).open("a") as file:
        file.write(f"{line}\n")


visitor = subject("visitor", step(time_chunks), erase(Visit, by="user_id", across_projects=True))
visitor.erase_action("benchmark_erase_map_plain", description="Erase the visits of {reference_id} by a map")
buyer = subject("buyer", step(time_chunks), erase(Basket, by="user_id", across_projects=True), erase(Item))
buyer.erase_action("benchmark_erase_map_stores", description="Erase items and baskets of {reference_id} by a map")
