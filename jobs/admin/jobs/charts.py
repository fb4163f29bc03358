"""Charts drawn by the server as SVG, without scripts or inline styles.

The drawing is stretched to the available width, so its labels are HTML beside it.
Every number is also a tooltip, and in the page's table in the same words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, floor, log
from typing import TYPE_CHECKING, Any, Final

from ..base.display import duration, percent, whole

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

WIDTH: Final = 10
"""Of one period, in units of the drawing."""
HEIGHT: Final = 100
GAP: Final = 1
MOST_LABELS: Final = 6
# The scale of durations, roughly logarithmic: neighbours are equally far apart.
RUNGS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 21600, 86400, 604800)
)

Value = float | timedelta | None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The title and note of a chart; ``times`` are the labels of its periods, from left to right."""

    name: str
    title: "_StrPromise"
    note: "_StrPromise"
    times: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line or stack of bars: a value for each period; ``kind`` is a part of its CSS class."""

    kind: str
    mark: str
    """Beside the word, so that nothing depends on colour."""
    label: "_StrPromise"
    values: Sequence[Value]
    words: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart for the template."""

    frame: Frame
    series: Sequence[Series]
    shapes: Sequence[dict[str, str]]
    """Paths, each with the kind of its series."""
    heights: Sequence[str]
    """Labels at equal distances, from the top down."""
    form: str
    """``bar`` or ``line``: a part of the CSS class of each shape."""
    is_empty: bool

    @property
    def width(self) -> int:
        """Of the drawing, in its units."""
        return WIDTH * len(self.frame.times)

    @property
    def grid(self) -> str:
        """A path with a line for each label."""
        top = len(self.heights) - 1
        return "".join(f"M0 {_y(place / top)}H{self.width}" for place in range(top + 1))

    @property
    def spots(self) -> list[dict[str, Any]]:
        """The tooltips, one for each period."""
        spots = []
        for place, time in enumerate(self.frame.times):
            words = ", ".join(f"{each.label}: {each.words[place]}" for each in self.series)
            spots.append({"x": place * WIDTH, "words": f"{time} – {words}"})
        return spots


def bars(frame: Frame, series: list[Series]) -> Chart:
    """Draw counts as bars, one series on top of the other."""
    sums = [sum(_numbers(values)) for values in zip(*(each.values for each in series), strict=True)]
    top = _round_up(max(sums, default=0))
    floors = [0.0] * len(sums)
    shapes = []
    for each in series:
        path = ""
        for place, value in enumerate(_numbers(each.values)):
            if value:
                low, high = _y(floors[place] / top), _y((floors[place] + value) / top)
                path += f"M{place * WIDTH + GAP} {low}V{high}h{WIDTH - 2 * GAP}V{low}Z"
                floors[place] += value
        shapes.append({"kind": each.kind, "path": path})
    heights = [whole(top), whole(top // 2), whole(0)]
    return Chart(frame=frame, series=series, shapes=shapes, heights=heights, form="bar", is_empty=not any(sums))


def shares(frame: Frame, series: list[Series]) -> Chart:
    """Draw shares, from 0 to 1, as lines; the scale ends at a round percentage."""
    most = max((value for each in series for value in _numbers(each.values)), default=0)
    top = min(100, _round_up(100 * most))
    heights = [percent(height) for height in (top, top // 2, 0)]
    return _lines(frame, series, heights, lambda share: 100 * share / top)


def durations(frame: Frame, series: list[Series]) -> Chart:
    """Draw durations as lines on the scale ``RUNGS``."""
    seen = [_rung(value) for each in series for value in each.values if value is not None]
    low = min(floor(min(seen, default=0)), len(RUNGS) - 2)
    high = max(low + 1, ceil(max(seen, default=1)))
    apart = 1 if high - low < MOST_LABELS else 2
    if (high - low) % apart:
        low, high = (low - 1, high) if low else (low, high + 1)
    heights = [duration(RUNGS[rung]) for rung in range(high, low - 1, -apart)]
    return _lines(frame, series, heights, lambda value: (_rung(value) - low) / (high - low))


def _lines(frame: Frame, series: list[Series], heights: list[str], height_of: Callable[[Any], float]) -> Chart:
    """Join the values of each series; a missing value interrupts the line, and a single value is a dot."""
    shapes = []
    for each in series:
        path, is_cut = "", True
        for place, value in enumerate(each.values):
            if value is not None:
                x, y = place * WIDTH + WIDTH // 2, _y(height_of(value))
                path += f"M{x} {y}h0" if is_cut else f"L{x} {y}"
            is_cut = value is None
        shapes.append({"kind": each.kind, "path": path})
    is_empty = not any(shape["path"] for shape in shapes)
    return Chart(frame=frame, series=series, shapes=shapes, heights=heights, form="line", is_empty=is_empty)


def _rung(value: Any) -> float:
    """Return the place of a duration on the scale; between two rungs by its logarithm."""
    inside = min(max(value, RUNGS[0]), RUNGS[-1])
    lower = max(place for place, rung in enumerate(RUNGS[:-1]) if rung <= inside)
    return lower + log(inside / RUNGS[lower]) / log(RUNGS[lower + 1] / RUNGS[lower])


def _round_up(value: float) -> int:
    """Return the least round number, with a round half, that is at least ``value`` and 2."""
    if value <= 8:
        return next(top for top in (2, 4, 6, 8) if top >= value)
    power = 1
    while value > 100 * power:
        power *= 10
    return next(top * power for top in (10, 12, 14, 16, 20, 24, 30, 40, 50, 60, 80, 100) if top * power >= value)


def _numbers(values: Sequence[Value]) -> list[float]:
    return [value for value in values if isinstance(value, int | float)]


def _y(share: float) -> float:
    """Return the distance from the top."""
    return round(HEIGHT * (1 - share), 2)
