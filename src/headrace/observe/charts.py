"""Small pictures of how a number changed over time, as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from headrace.graph.drawing import xml

__all__ = ["area", "mean"]

Points = Sequence[tuple[float, float]]  # seconds, in order, and a number
WIDTH, HEIGHT = 600, 40  # in units of the picture, which is stretched


def area(points: Points, seconds: float, top: float, label: str, *, steps: bool = False, height: int = HEIGHT) -> str:
    """A filled line from 0 to `top` over `seconds`; with `steps`, each number holds until the next one.

    >>> area([(0, 0), (1, 2)], 1, 2, "fetch")[-59:]
    'd="M0,40L0,40L600,0L600,40Z"/><path d="M0,40L600,0"/></svg>'
    """
    corners = _corners(points, seconds, top, height, steps)
    line = "L".join(f"{x:g},{y:g}" for x, y in corners)
    floor = f"L{corners[-1][0]:g},{height}Z" if corners else ""
    first = f"M{corners[0][0]:g},{height}L" if corners else ""
    return (
        f'<svg class="hr-chart" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{xml(label)}"><title>{xml(label)}</title>'
        + (f'<path class="hr-fill" d="{first}{line}{floor}"/><path d="M{line}"/>' if corners else "")
        + "</svg>"
    )


def _corners(points: Points, seconds: float, top: float, height: int, steps: bool) -> list[tuple[float, float]]:
    corners: list[tuple[float, float]] = []
    for second, number in points:
        x = round(WIDTH * second / seconds, 1) if seconds else 0.0
        y = round(height * (1 - min(max(number / top, 0.0), 1.0)), 1) if top else float(height)
        if steps and corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    return corners


def mean(points: Points) -> float:
    """The mean of a number over time; what is noted at a moment held since the one before.

    >>> mean([(0, 5), (1, 0), (3, 3)])
    2.0
    """
    total = sum(number * (second - before) for (before, _), (second, number) in pairwise(points))
    return total / (points[-1][0] - points[0][0]) if len(points) > 1 and points[-1][0] > points[0][0] else 0.0
