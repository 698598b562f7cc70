"""Draws a DAG as a picture: boxes for nodes, arrows for what they hand on, frames around sub-pipelines.

Lives here: what is drawn, as SVG text in light and dark. Must not live here: where things are placed; that is
graphlay's, which is imported only when there is something to draw (extra `pictures`).
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from headrace.errors import OptionError
from headrace.graph.dag import RESOURCES, Dag, Edge, Node
from headrace.graph.stages import PER_ITEM

__all__ = ["STYLE", "THEMES", "Mark", "needed", "svg", "xml"]

LIGHT = {
    "ground": "#ffffff",
    "ink": "#1d2733",
    "muted": "#5b6875",
    "line": "#8593a1",
    "box": "#eaf2fb",
    "edge": "#5b86b8",
    "plain": "#f4f5f7",
    "track": "#d5dbe2",
    "accent": "#2f6fb5",
    "warm": "#b25e00",
    "bad": "#b3261e",
}
DARK = {
    "ground": "#14181d",
    "ink": "#e6ebf0",
    "muted": "#9aa7b4",
    "line": "#66727f",
    "box": "#1c2a3a",
    "edge": "#4f7fb4",
    "plain": "#20262d",
    "track": "#3a444f",
    "accent": "#6cabf0",
    "warm": "#f0a04b",
    "bad": "#ff8a80",
}
DEEPEST = 20  # levels that are drawn one below the other; a longer graph is set in columns
LONGEST = 46  # characters of a line in a box; the whole of it is in the tooltip
LINE, NAME, PADDING = 15, 18, 9  # heights, in pixels
LETTER, BOLD = 6.4, 7.6  # widths, in pixels
CORNER, ARROW = 7.0, 7.0
NO_MARKS: Mapping[str, Mark] = MappingProxyType({})


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--hr-{name}:{colour};" for name, colour in colours.items())


THEMES = (  # what a notebook says of its own theme goes before what the system says
    f":root{{{_variables(LIGHT)}}}@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    f"[data-jp-theme-light=true]{{{_variables(LIGHT)}}}[data-jp-theme-light=false]{{{_variables(DARK)}}}"
)
STYLE = (
    ".hr-dag{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;max-width:100%;height:auto}"
    ".hr-dag text{fill:var(--hr-ink);text-anchor:middle}"
    ".hr-ground{fill:var(--hr-ground)}"
    ".hr-node rect{fill:var(--hr-box);stroke:var(--hr-edge);stroke-width:1.3}"
    ".hr-plain rect{fill:var(--hr-plain);stroke:var(--hr-line)}"
    ".hr-parameter rect{fill:none;stroke:var(--hr-line);stroke-dasharray:4 3}"
    ".hr-hot rect{stroke:var(--hr-warm);stroke-width:2.6}"
    ".hr-node .hr-track,.hr-node .hr-full{stroke:none}.hr-node .hr-track{fill:var(--hr-track)}"
    ".hr-node .hr-full{fill:var(--hr-accent)}.hr-hot .hr-full{fill:var(--hr-warm)}"
    ".hr-dag .hr-name{font-weight:600}.hr-dag .hr-note{font-size:11px;fill:var(--hr-muted)}"
    ".hr-dag .hr-bad{fill:var(--hr-bad);font-weight:600}"
    ".hr-frame rect{fill:var(--hr-line);fill-opacity:.07;stroke:var(--hr-line);stroke-dasharray:2 3}"
    ".hr-dag .hr-frame text{text-anchor:start;font-size:11px;fill:var(--hr-muted)}"
    ".hr-arrow path{fill:none;stroke:var(--hr-line);stroke-width:1.7}.hr-arrow polygon{fill:var(--hr-line)}"
    ".hr-value path{stroke-width:1.2;stroke-dasharray:5 3}"
    ".hr-failures path{stroke:var(--hr-bad);stroke-dasharray:2 3}.hr-failures polygon{fill:var(--hr-bad)}"
)


class Mark(NamedTuple):
    """What a run adds to a node's box: lines of text, one in red, how full its bound was, and whether it stands out."""

    lines: tuple[str, ...] = ()
    bad: str = ""
    full: float | None = None  # of the bound, from 0 to 1
    hot: bool = False


def svg(dag: Dag, marks: Mapping[str, Mark] = NO_MARKS, *, styled: bool = True) -> str:
    """The DAG as an SVG picture, that follows the reader's light or dark theme.

    Steps are filled, what only hands items on is grey, parameters are dashed; streams are solid arrows, values dashed,
    failures dotted. Sub-pipelines, and what runs per item, are framed. `marks` add to the boxes, by node id. Without
    `styled` it takes its style from the page around it.

    Raises: OptionError: graphlay is not installed.

    >>> from headrace import step
    >>> picture = svg(step("double", fn=lambda number: number * 2).dag)
    >>> picture[:54], picture.count('class="hr-node')
    ('<svg xmlns="http://www.w3.org/2000/svg" class="hr-dag"', 2)
    """
    graph = _Graph(dag, marks)
    layout = graph.laid_out(needed("graphlay", "the picture of a pipeline", "pictures"))
    low, high = layout.bounds["min"], layout.bounds["max"]
    x, y, width, height = low["x"] - 12, low["y"] - 12, high["x"] - low["x"] + 24, high["y"] - low["y"] + 24
    frame = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="hr-dag" viewBox="{x:g} {y:g} {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img" aria-label="{xml(f"the graph of {dag.name}")}">',
            f"<style>{THEMES}{STYLE}</style>" if styled else "",
            f'<rect class="hr-ground" {frame} rx="8"/>',
            *graph.drawn(layout),
            "</svg>",
        ]
    )


def needed(module: str, what: str, extra: str) -> ModuleType:
    """A module of an extra.

    Raises: OptionError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise OptionError(
            f"{what} needs '{error.name}', which is not installed; pip install 'headrace[{extra}]'"
        ) from None


class _Box(NamedTuple):
    """What is drawn of one node, or the frame of several."""

    title: str
    lines: tuple[str, ...]
    kind: str  # its class
    mark: Mark
    more: str  # the tooltip
    frame: bool = False


class _Graph:
    """The boxes and arrows of a DAG, with what runs per item inside."""

    def __init__(self, dag: Dag, marks: Mapping[str, Mark]) -> None:
        self.marks = marks
        self.depth = len(dag.levels())
        self.boxes: dict[tuple[str, ...], _Box] = {}  # by the path through inner DAGs
        self.parents: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.arrows: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
        self._add(dag, ())

    def _add(self, dag: Dag, within: tuple[str, ...]) -> None:
        for node in dag.nodes:
            key = (*within, node.id)
            parent = self._frames(dag, node, within)
            if node.inner is not None:
                title = f"{_name(node.inner.name)}, per item"
                self._put(key, _Box(title, (), "hr-frame", Mark(), node.id, frame=True), parent)
                self._add(node.inner, key)
            else:
                self._put(key, _box(node, self.marks.get(node.id, Mark())), parent)
            for edge in node.edges:
                arrow = (*within, edge.source), key
                self.arrows[arrow] = min(self.arrows.get(arrow, "z"), _way(edge))

    def _put(self, key: tuple[str, ...], box: _Box, parent: tuple[str, ...]) -> None:
        self.boxes[key] = box
        if parent:
            self.parents[key] = parent

    def _frames(self, dag: Dag, node: Node, within: tuple[str, ...]) -> tuple[str, ...]:
        """The frame of the innermost sub-pipeline that the node belongs to."""
        parent, path = within, dag.name
        names = node.id.removeprefix(f"{dag.name}/").split("/")[:-1] if node.kind != "parameter" else []
        for name in names:
            path = f"{path}/{name}"
            if any(other.id == path for other in dag.nodes):  # what drains a step is named after it
                continue
            key = (*within, path, "")
            if key not in self.boxes:
                self._put(key, _Box(name, (), "hr-frame", Mark(), path, frame=True), parent)
            parent = key
        return parent

    def laid_out(self, graphlay: Any) -> Any:
        """Where it all goes."""
        graph = graphlay.Graph()
        for key, box in sorted(self.boxes.items(), key=lambda pair: self._depth(pair[0])):
            parent = {"parent": graph.ids.index(self.parents[key])} if key in self.parents else {}
            width, height = (10.0, 10.0) if box.frame else _size(box)
            graph.node(key, width=width, height=height, **parent)
        for source, target in self.arrows:
            graph.edge(source, target)
        spacing = {"layer_gap": 34.0, "node_gap": 26.0, "compound_header": 18.0, "compound_padding": 14.0}
        wrap = {"viewport_aspect": 1.2 if self.depth > DEEPEST else 0.0}
        return graphlay.layout(graph, options={"direction": "topbottom", "spacing": spacing, "wrap": wrap})

    def _depth(self, key: tuple[str, ...]) -> int:
        return 1 + self._depth(self.parents[key]) if key in self.parents else 0

    def drawn(self, layout: Any) -> Iterator[str]:
        """The elements of the picture, frames below everything else."""
        places = {key: _Place.of(found) for key, found in zip(layout.ids, layout.nodes, strict=True)}
        for key in layout.ids:
            if self.boxes[key].frame:
                yield _drawn_frame(self.boxes[key], places[key])
        for (arrow, way), found in zip(self.arrows.items(), layout.edges, strict=True):
            yield _drawn_arrow([(point["x"], point["y"]) for point in found["points"]], way, *map(places.get, arrow))
        for key in layout.ids:
            if not self.boxes[key].frame:
                yield _drawn_box(self.boxes[key], places[key])


class _Place(NamedTuple):
    """Where a box is."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> _Place:
        width, height = found["size"]["width"], found["size"]["height"]
        return cls(found["center"]["x"] - width / 2, found["center"]["y"] - height / 2, width, height)


def _box(node: Node, mark: Mark) -> _Box:
    """What the box of one node says."""
    kind = "hr-parameter" if node.kind == "parameter" else "hr-step" if node.function else "hr-plain"
    lines = mark.lines or (f"stream of {node.type}" if node.gives == "stream" else node.type,)
    more = f"{node.id}\n{node.kind}, {node.where}\ngives {'a stream of ' if node.gives == 'stream' else ''}{node.type}"
    return _Box(_name(node.name), (*lines, *_options(node)), kind, mark, more)


def _options(node: Node) -> Iterable[str]:
    """A line of what was chosen for the node, if anything was."""
    chosen = [f"≤ {node.max_in_flight:,} in flight"] if node.max_in_flight > 1 else []
    if node.executor not in ("inline", "async") and node.kind not in RESOURCES:
        chosen.append(node.executor)
    if node.on_error != "raise":
        chosen.append("skips failures" if node.on_error == "skip" else "catches failures")
    if node.max_in_flight > 1 and not node.ordered and node.kind in PER_ITEM:
        chosen.append("any order")
    return [" · ".join(chosen)] if chosen else []


def _name(name: str) -> str:
    return name.split("/")[-1]


def _way(edge: Edge) -> str:
    """The class of an arrow. Of several between two boxes the first in the alphabet is drawn."""
    return {"value": "hr-value", "failures": "hr-failures"}.get(edge.delivery, "hr-stream")


def _size(box: _Box) -> tuple[float, float]:
    notes = [*box.lines, *([box.mark.bad] if box.mark.bad else [])]
    widest = max(_width(box.title) * BOLD, *(_width(note) * LETTER for note in notes), 56.0)
    bar = 0 if box.mark.full is None else 9
    return widest + 24, NAME + LINE * len(notes) + bar + 2 * PADDING - 4


def _width(text: str) -> int:
    """How many letters wide the text is as it is drawn."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in _short(text))


def _short(text: str, longest: int = LONGEST) -> str:
    """The text, with its middle left out if it is too long."""
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[len(text) - (longest - 1) // 2 :]}"


# -- elements ------------------------------------------------------------------------------------------------


def xml(text: str) -> str:
    """The text as it stands in XML, without what XML cannot hold."""
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", text))


def _drawn_frame(box: _Box, place: _Place) -> str:
    x, y, width, height = place
    return (
        f'<g class="hr-frame"><title>{xml(box.more)}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="9"/>'
        f'<text x="{x + 9:g}" y="{y + 16:g}">{xml(_short(box.title, int((width - 18) / LETTER)))}</text></g>'
    )


def _drawn_box(box: _Box, place: _Place) -> str:
    x, y, width, height = place
    middle, line = x + width / 2, y + PADDING + 11
    hot = " hr-hot" if box.mark.hot else ""
    radius = 4 if box.kind == "hr-parameter" else 7
    parts = [
        f'<g class="hr-node {box.kind}{hot}"><title>{xml(box.more)}</title>',
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}"/>',
        f'<text class="hr-name" x="{middle:g}" y="{line:g}">{xml(_short(box.title))}</text>',
    ]
    notes = [(note, "hr-note") for note in box.lines] + ([(box.mark.bad, "hr-note hr-bad")] if box.mark.bad else [])
    for note, kind in notes:
        line += LINE
        parts.append(f'<text class="{kind}" x="{middle:g}" y="{line:g}">{xml(_short(note))}</text>')
    if box.mark.full is not None:
        bar = f'x="{x + 12:g}" y="{line + 7:g}" height="5" rx="2.5"'
        parts.append(f'<rect class="hr-track" {bar} width="{width - 24:g}"/>')
        parts.append(f'<rect class="hr-full" {bar} width="{(width - 24) * min(box.mark.full, 1):g}"/>')
    return "".join([*parts, "</g>"])


def _drawn_arrow(points: list[tuple[float, float]], way: str, source: _Place | None, target: _Place | None) -> str:
    assert source is not None
    assert target is not None
    points[0] = points[0][0], source.y + source.height  # at the edge of a frame, not inside
    points[-1] = points[-1][0], target.y
    x, y = points[-1]
    points[-1] = x, y - ARROW
    head = f"{x:g},{y:g} {x - ARROW / 2:g},{y - ARROW:g} {x + ARROW / 2:g},{y - ARROW:g}"
    return f'<g class="hr-arrow {way}"><path d="{_rounded(points)}"/><polygon points="{head}"/></g>'


def _rounded(points: Sequence[tuple[float, float]]) -> str:
    """A path through the points with round corners."""
    parts = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        begin, end = _towards(corner, before), _towards(corner, after)
        parts.append(f"L{begin[0]:g} {begin[1]:g}Q{corner[0]:g} {corner[1]:g} {end[0]:g} {end[1]:g}")
    parts.append(f"L{points[-1][0]:g} {points[-1][1]:g}")
    return "".join(parts)


def _towards(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """A point near `start`, in the direction of `end`."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = (across**2 + down**2) ** 0.5 or 1.0
    part = min(CORNER, length / 2) / length
    return start[0] + across * part, start[1] + down * part
