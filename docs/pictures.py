"""The pictures of the site, drawn when it is built: what is in them has happened.

`{graph} corpus/deadlock.py:locked` is the graph of a pipeline. `{timeline} max_in_flight=3` is a run in scripted time:
`fetch` takes as many seconds as its item says, and `read` a second for each result.
"""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from headrace import SyncRunner, step
from headrace.graph.drawing import DARK, LIGHT, STYLE, svg
from headrace.testing import ScriptedClock

ROOT = Path(__file__).resolve().parent.parent
COLOURS = {
    f"{name}_css_variables": {f"hr-{key}": value for key, value in theme.items()}
    for name, theme in {"light": LIGHT, "dark": DARK}.items()
}
SECONDS = {"A": 3, "B": 1, "C": 2, "D": 5, "E": 1, "F": 1, "G": 2}  # that each item takes
WIDTH, HEIGHT, LEFT = 34, 26, 70  # of a second, of a row, and of what stands before the rows, in pixels


class Item(NamedTuple):
    """When an item was asked for, finished, and taken."""

    name: str
    asked: float
    finished: float
    taken: float


def happened(**options: Any) -> list[Item]:
    """What became of each item in `items | fetch | read`, with these options of `fetch`; in the order of the calls."""
    clock = ScriptedClock()
    asked: dict[str, float] = {}
    finished: dict[str, float] = {}
    taken: dict[str, float] = {}

    @step
    def items() -> Iterator[str]:
        yield from SECONDS

    @step(**options)
    async def fetch(item: str) -> str:
        asked[item] = clock.now()
        await asyncio.sleep(SECONDS[item])
        finished[item] = clock.now()
        return item

    @step
    async def read(item: str) -> None:
        taken[item] = clock.now()
        await asyncio.sleep(1)

    SyncRunner(clock=clock).execute(items | fetch | read)
    return [Item(name, asked[name], finished[name], taken[name]) for name in asked]


def timeline(places: int, run: list[Item]) -> str:
    """A row for each place in the bound, and one for `read`; time goes to the right."""
    free = [0.0] * places
    parts = []
    for item in run:
        place = next(place for place in range(places) if free[place] <= item.asked)
        free[place] = item.taken
        parts.append(_bar("hr-runs", place, item.asked, item.finished, item.name))
        if item.taken > item.finished:
            parts.append(_bar("hr-waits", place, item.finished, item.taken, ""))
        parts.append(_bar("hr-reads", places, item.taken, item.taken + 1, item.name))
    labels = [*(f"place {place + 1}" for place in range(places)), "read"]
    texts = [f'<text x="0" y="{row * HEIGHT + 17}">{label}</text>' for row, label in enumerate(labels)]
    end = max(item.taken for item in run) + 1
    seconds = f'<text x="{LEFT + end * WIDTH + 8}" y="{places * HEIGHT + 17}">{end:g} s</text>'
    size = f'width="{LEFT + end * WIDTH + 60}" height="{(places + 1) * HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="hr-time" {size}>{"".join([*texts, *parts, seconds])}</svg>'


def _bar(kind: str, row: int, begin: float, end: float, text: str) -> str:
    x, y, width = LEFT + begin * WIDTH, row * HEIGHT + 2, (end - begin) * WIDTH
    return (
        f'<rect class="{kind}" x="{x + 1:g}" y="{y}" width="{width - 2:g}" height="{HEIGHT - 4}" rx="3"/>'
        f'<text x="{x + 8:g}" y="{y + 15}" class="hr-on">{escape(text)}</text>'
    )


class Timeline(SphinxDirective):
    """`{timeline} max_in_flight=3`."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        options: dict[str, Any] = {}
        exec(f"options = dict({self.arguments[0]})", options)
        drawn = timeline(options["options"]["max_in_flight"], happened(**options["options"]))
        return [nodes.raw("", f'<div class="hr-picture">{drawn}</div>', format="html")]


class Graph(SphinxDirective):
    """`{graph} corpus/deadlock.py:locked`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        script, _, name = self.arguments[0].partition(":")
        self.env.note_dependency(str(ROOT / script))
        drawn = svg(runpy.run_path(str(ROOT / script))[name].dag, styled=False)
        return [nodes.raw("", f'<div class="hr-picture"><style>{STYLE}</style>{drawn}</div>', format="html")]
