"""Compares figures with their limits."""

from collections.abc import Mapping
from typing import Any


def problems_of(figures: Mapping[str, Any], limits: Mapping[str, float]) -> list[str]:
    """Return a sentence for each figure that is above its limit; every limit must have its figure."""
    return [f"{name} is {figures[name]:g}, more than {most:g}" for name, most in limits.items() if figures[name] > most]
