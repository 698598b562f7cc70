"""A page about one run: what it did, how fast, what held it up, what failed. One HTML file that needs no network."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib import metadata, resources
from pathlib import Path

from headrace.engine.events import Event, RunEnded, RunStarted
from headrace.engine.failure import Failure, traceback_of
from headrace.engine.report import NodeReport, Report
from headrace.engine.snapshot import Live
from headrace.graph.dag import Dag, Node
from headrace.graph.drawing import STYLE, THEMES, Mark, needed, svg, xml
from headrace.graph.values import shown
from headrace.observe.charts import area, mean
from headrace.observe.findings import Finding, bottleneck
from headrace.observe.recording import Recording
from headrace.observe.rows import is_shown, rate, short_name
from headrace.observe.sampling import Sampler

__all__ = ["Page", "page"]

EVERY = 0.05  # seconds
SLOWEST = 10  # calls, of all steps
AT_ONCE = 20  # failures that are shown without being asked for


class Page:
    """An observer that writes a page about one run to a file, however the run ends.

    >>> import tempfile
    >>> from headrace import SyncRunner, step
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "run.html")
    ...     print(SyncRunner(observers=[Page(file)]).execute(step("length", fn=len), "four").result)
    ...     print(file.read_text(encoding="utf-8")[:15])
    4
    <!doctype html>
    """

    hears: tuple[type, ...] = (RunStarted, RunEnded)

    def __init__(self, path: Path) -> None:
        needed("graphlay", "the page of a run", "pictures")
        self.path = path
        self.recording: Recording = Recording()
        self.begun: datetime = datetime.now().astimezone()
        self.live: Live | None = None
        self.sampler: Sampler | None = None

    def __call__(self, event: Event) -> None:
        """Hear from the run."""
        if isinstance(event, RunStarted):
            self.live = event.live
            self.recording.add(event.live.snapshot())
            self.sampler = Sampler(event.live, self.recording.add, EVERY)
            self.sampler.start()
        elif isinstance(event, RunEnded) and self.live and self.sampler:
            self.sampler.stop()
            last = self.live.snapshot()
            self.recording.add(last)
            text = page(event.dag, event.report, self.recording, last.seconds, event.failure, self.begun)
            _write(self.path, text)


def _write(path: Path, text: str) -> None:
    """Put the text in the place of what is there, as a whole."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def page(
    dag: Dag, report: Report, recording: Recording, seconds: float, failure: BaseException | None, begun: datetime
) -> str:
    """The page about a run that took so long and began at that time."""
    return "".join(_Page(dag, report, recording, seconds, failure, begun).parts())


class _Page:
    """The parts of a page, from top to bottom."""

    def __init__(
        self,
        dag: Dag,
        report: Report,
        recording: Recording,
        seconds: float,
        failure: BaseException | None,
        begun: datetime,
    ) -> None:
        self.dag = dag
        self.report = report
        self.recording = recording
        self.seconds = seconds
        self.failure = failure
        self.begun = begun
        self.steps: list[tuple[Node, NodeReport]] = [
            (node, report.node(node.id)) for node in dag.nodes if is_shown(node)
        ]
        self.finding: Finding = bottleneck(dag, report, seconds, lambda id: mean(recording.occupancy(id)))

    def parts(self) -> Iterator[str]:
        style = resources.files("headrace.observe").joinpath("page.css").read_text(encoding="utf-8")
        yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        yield f"<title>{xml(self.dag.name)} – a run</title>\n<style>{THEMES}{STYLE}\n{style}</style>\n"
        yield "</head>\n<body>\n<main>\n"
        yield from self._head()
        yield from self._ending()
        yield from self._time_lines()
        yield from self._graph()
        yield from self._slowest()
        yield from self._failures()
        yield "</main>\n</body>\n</html>\n"

    def _head(self) -> Iterator[str]:
        kind, status = ("good", "done") if self.failure is None else ("bad", _status(self.failure))
        failed = sum(step.failed for _, step in self.steps)
        facts = [
            f"took {_duration(self.seconds)}",
            f"began {self.begun:%Y-%m-%d %H:%M:%S}",
            f"{failed:,} failed" if failed else "nothing failed",
            f"headrace {_version()}".strip(),
            f"Python {platform.python_version()}",
        ]
        yield f'<header><h1>{xml(self.dag.name)} <span class="{kind}">{xml(status)}</span></h1>\n'
        yield f'<p class="facts">{xml(" · ".join(facts))}</p>\n'
        yield f'<p class="finding">{xml(self.finding.sentence)}</p></header>\n'

    def _ending(self) -> Iterator[str]:
        if self.failure is None:
            return
        text = traceback_of(self.failure)
        yield f'<section id="ending"><h2>Why it ended</h2>\n<pre class="bad">{xml(text)}</pre></section>\n'

    # -- steps -------------------------------------------------------------------------------------------------

    def _time_lines(self) -> Iterator[str]:
        yield '<section id="steps"><h2>Steps over time</h2>\n<table class="steps"><thead><tr><th>step</th>'
        yield f"<th>at work, of its bound<small>0 to {_duration(self.seconds)}</small></th><th>items a second</th>"
        names = ("in", "out", "failed", "retried", "busy, s", "items/s", "most in flight")
        yield "".join(f"<th>{name}</th>" for name in names) + "</tr></thead><tbody>\n"
        for node, step in self.steps:
            yield self._row(node, step)
        yield "</tbody></table></section>\n"

    def _row(self, node: Node, step: NodeReport) -> str:
        hot = ' class="hot"' if node.id == self.finding.step else ""
        numbers = {
            "in": f"{step.items_in:,}",
            "out": f"{step.items_out:,}",
            "failed": f'<b class="bad">{step.failed:,}</b>' if step.failed else "0",
            "retried": f"{step.retried:,}",
            "busy, s": f"{step.seconds:,.2f}",
            "items/s": rate(step.items_out / self.seconds) if self.seconds else "–",
            "most in flight": f"{step.highest_in_flight:,} of {node.max_in_flight:,}",
        }
        name = xml(short_name(self.dag, node))
        cells = "".join(f'<td class="number" data-label="{label}">{text}</td>' for label, text in numbers.items())
        return (
            f'<tr{hot}><th scope="row" title="{xml(str(node))}">{name}</th>'
            f'<td class="chart">{self._occupancy(node)}</td><td class="chart">{self._rates(node)}</td>{cells}</tr>\n'
        )

    def _occupancy(self, node: Node) -> str:
        """How many items were in flight; of a step with one at a time, how much of the time it was busy."""
        if node.max_in_flight > 1:
            points, label = self.recording.occupancy(node.id), f"items in flight, 0 to {node.max_in_flight:,}"
            return area(points, self.seconds, node.max_in_flight, label, steps=True)
        return area(self.recording.busy(node.id), self.seconds, 1, "part of the time that its code was busy")

    def _rates(self, node: Node) -> str:
        points = _smooth(list(self.recording.rates(node.id)))
        top = max((number for _, number in points), default=0.0)
        return area(points, self.seconds, top, f"items a second, 0 to {rate(top)}")

    def _graph(self) -> Iterator[str]:
        marks = {node.id: self._mark(node, step) for node, step in self.steps}
        yield '<section id="graph"><h2>Graph</h2>\n<div class="scroll">'
        yield svg(self.dag, marks, styled=False)
        yield '</div>\n<p class="facts">The bar in a box: how full its bound was, or how much of the time it was busy, '
        yield "on average.</p></section>\n"

    def _mark(self, node: Node, step: NodeReport) -> Mark:
        counts = [f"{step.items_in:,} in"] if node.stream_edges else []
        if node.gives == "stream":
            counts.append(f"{step.items_out:,} out")
        full = mean(self.recording.occupancy(node.id)) / node.max_in_flight
        if node.max_in_flight == 1:
            full = step.seconds / self.seconds if self.seconds and node.function is not None else 0.0
        failed = f"{step.failed:,} failed" if step.failed else ""
        return Mark((" · ".join(counts),) if counts else (), failed, full, node.id == self.finding.step)

    # -- calls and failures ------------------------------------------------------------------------------------

    def _slowest(self) -> Iterator[str]:
        calls = [
            (call.seconds, name, call.item)
            for node, step in self.steps
            for name in [short_name(self.dag, node)]
            for call in step.slowest
        ]
        if not calls:
            return
        rows = [(_duration(seconds), name, item) for seconds, name, item in sorted(calls, reverse=True)[:SLOWEST]]
        yield '<section id="slowest"><h2>Slowest calls</h2>\n'
        yield from _table(("took", "step", "item"), rows)
        yield "</section>\n"

    def _failures(self) -> Iterator[str]:
        failing = [(node, step) for node, step in self.steps if step.failures or step.tracebacks]
        if not failing:
            return
        yield '<section id="failures"><h2>Failures</h2>\n'
        for node, step in failing:
            yield f"<h3>{xml(short_name(self.dag, node))}: {step.failed:,} failed, {step.skipped:,} left out</h3>\n"
            for text in step.tracebacks:
                yield f"<details><summary>{xml(_headline(text))}</summary><pre>{xml(text)}</pre></details>\n"
            yield from _failure_table(step.failures)
        yield "</section>\n"


def _headline(traceback: str) -> str:
    r"""The line that says which exception it was: the first below the last frame. A message may have more lines.

    >>> _headline("  File 'app.py', line 1\n    fetch()\nOSError: no\nread on at ...")
    'OSError: no'
    """
    *_, last = f"\n{traceback}".split("\n  File ")
    lines = [line for line in last.splitlines()[1:] if not line.startswith(" ")]
    return next(iter(lines), traceback.strip())


def _failure_table(failures: tuple[Failure[object], ...]) -> Iterator[str]:
    rows = [
        (f"{each.time:%H:%M:%S}", shown(each.item), f"{type(each.exception).__name__}: {each.exception}")
        for each in failures
    ]
    heads = ("at (UTC)", "item", "exception")
    if rows:
        yield from _table(heads, rows[:AT_ONCE])
    if len(rows) > AT_ONCE:
        yield f"<details><summary>{len(rows) - AT_ONCE} more</summary>"
        yield from _table(heads, rows[AT_ONCE:])
        yield "</details>\n"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield '<div class="scroll"><table><thead><tr>' + "".join(f"<th>{xml(head)}</th>" for head in heads)
    yield "</tr></thead><tbody>\n"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{xml(cell)}</td>" for cell in row) + "</tr>\n"
    yield "</tbody></table></div>\n"


def _version() -> str:
    try:
        return metadata.version("headrace")
    except metadata.PackageNotFoundError:  # its folder is on the path, and no more
        return ""


def _status(failure: BaseException) -> str:
    return "interrupted" if isinstance(failure, KeyboardInterrupt) else f"ended with {type(failure).__name__}"


def _duration(seconds: float) -> str:
    """A time in three digits or so.

    >>> _duration(0.01234), _duration(12.34), _duration(3725)
    ('12.3 ms', '12.3 s', '1 h 2 min')
    """
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds % 60:.0f} s"


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, each the mean of itself and its neighbours: steps hand over in bursts."""
    return [
        (
            second,
            sum(number for _, number in points[max(place - 1, 0) : place + 2])
            / len(points[max(place - 1, 0) : place + 2]),
        )
        for place, (second, _) in enumerate(points)
    ]
