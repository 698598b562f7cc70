"""Progress of a run: a live table on a terminal and in a notebook, a line every few seconds elsewhere.

It is drawn by a thread of its own, on standard error, and so seldom that it takes less than one percent of a core.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections import deque
from typing import IO, TYPE_CHECKING, Any, Protocol, TextIO, cast

from headrace.engine.events import Event, RunEnded, RunStarted
from headrace.engine.snapshot import Live, Snapshot
from headrace.graph.drawing import needed
from headrace.observe.rows import Overall, Row, Rows, clock, most_telling, rate
from headrace.observe.sampling import Sampler

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Progress", "line", "table"]

LIVE_EVERY = 0.2  # seconds
LINES_EVERY = 5.0
STEPS_IN_A_LINE = 4
STEPS_IN_A_NOTEBOOK = 40


class Display(Protocol):
    """Where progress is shown, every so many seconds."""

    every: float

    def draw(self, rows: Rows) -> None:
        """How far it is now."""
        ...

    def end(self, rows: Rows, failure: BaseException | None) -> None:
        """How it ended."""
        ...


class Progress:
    """An observer that shows how one run gets on, on standard error if no file is given.

    >>> from headrace import SyncRunner, step, pipeline, stream
    >>> @pipeline
    ... def shouted(words: list[str]):
    ...     return stream(words).map(step("upper", fn=str.upper))
    >>> SyncRunner(observers=[Progress(sys.stdout)]).execute(shouted, ["a", "b"]).result
    headrace: shouted: done after 0:00: stream 2 (.../s); upper 2 (.../s)
    ['A', 'B']
    """

    hears: tuple[type, ...] = (RunStarted, RunEnded)

    def __init__(self, file: IO[str] | None = None) -> None:
        needed("rich", "progress", "progress")
        self.file = file
        self.display: Display | None = None
        self.rows: Rows | None = None
        self.live: Live | None = None
        self.sampler: Sampler | None = None

    def __call__(self, event: Event) -> None:
        """Hear from the run."""
        if isinstance(event, RunStarted):
            self.rows, self.live = Rows(event.dag), event.live
            self.display = _display(self.file)
            self.sampler = Sampler(event.live, self._look, self.display.every)
            self.sampler.start()
        elif isinstance(event, RunEnded) and self.display and self.rows and self.live and self.sampler:
            self.sampler.stop()
            self.rows.add(self.live.snapshot())
            self.display.end(self.rows, event.failure)

    def _look(self, snapshot: Snapshot) -> None:
        if self.rows is not None and self.display is not None:
            self.rows.add(snapshot)
            self.display.draw(self.rows)


def _display(file: IO[str] | None) -> Display:
    """The best display that there is for that file, by default standard error."""
    from rich.console import Console

    console = Console(file=file or sys.stderr)
    if console.is_jupyter:
        return Notebook()
    if console.file.isatty() and not console.is_dumb_terminal and _terminal.acquire(blocking=False):
        return Terminal(console)
    return Lines(console.file)


_terminal = threading.Lock()  # one table at a time; what else runs meanwhile has lines


class Terminal:
    """A table that is drawn again and again in its place. What the program prints meanwhile goes above it."""

    every: float = LIVE_EVERY

    def __init__(self, console: Console) -> None:
        from rich.live import Live as LiveTable

        self.console = console
        self.table: LiveTable = LiveTable(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self.above: Above | None = None

    def draw(self, rows: Rows, failure: BaseException | None = None) -> None:
        """The table as it is now, as far as there is room for it."""
        if self.above is None:
            self.above = Above()
            self.table.start()
        self.table.update(table(rows, self.console.height - 5, self.console.width, failure))
        self._print(self.above.lines())

    def end(self, rows: Rows, failure: BaseException | None) -> None:
        """The last table, which stays."""
        try:
            self.draw(rows, failure)
        finally:
            if self.above is not None:
                self.above.restore()
                self._print(self.above.rest())
            self.table.stop()
            _terminal.release()

    def _print(self, text: str) -> None:
        """Put the text above the table, and draw that below."""
        from rich.text import Text

        if text:
            self.console.print(Text.from_ansi(text), soft_wrap=True)
        else:
            self.table.refresh()


class Above:
    """Takes the place of standard output and error on the terminal, and keeps what is printed until it is drawn.

    To draw the table below every single line would take longer than what is printed. Whatever else is asked of such a
    file, the terminal answers.
    """

    def __init__(self) -> None:
        self.kept: deque[str] = deque()
        self.error: TextIO = sys.stderr
        self.output: TextIO | None = sys.stdout if sys.stdout.isatty() else None
        sys.stderr = cast(TextIO, self)
        if self.output is not None:
            sys.stdout = cast(TextIO, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.error, name)

    def write(self, text: str) -> int:
        """Keep it."""
        self.kept.append(text)
        return len(text)

    def flush(self) -> None:
        """It is drawn in a moment."""

    def lines(self) -> str:
        """The whole lines that were printed, without the last newline."""
        text = self.rest()
        lines, newline, rest = text.rpartition("\n")
        if rest:
            self.kept.appendleft(rest)
        return lines if newline else ""

    def rest(self) -> str:
        """All that was printed and has not been taken."""
        return "".join(self.kept.popleft() for _ in range(len(self.kept)))

    def restore(self) -> None:
        """Give standard output and error back."""
        if cast(object, sys.stderr) is self:
            sys.stderr = self.error
        if cast(object, sys.stdout) is self and self.output is not None:
            sys.stdout = self.output


class Notebook:
    """A table in the output of a notebook's cell."""

    every: float = LIVE_EVERY

    def __init__(self) -> None:
        self.handle: Any = None

    def draw(self, rows: Rows, failure: BaseException | None = None) -> None:
        """The table as it is now."""
        drawn = table(rows, STEPS_IN_A_NOTEBOOK, 120, failure)
        if self.handle is None:
            self.handle = importlib.import_module("IPython.display").display(drawn, display_id=True)
        else:
            self.handle.update(drawn)

    def end(self, rows: Rows, failure: BaseException | None) -> None:
        """The last table, which stays."""
        self.draw(rows, failure)


class Lines:
    """A line now and then."""

    every: float = LINES_EVERY

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def draw(self, rows: Rows) -> None:
        """How far it is now."""
        print(line(rows), file=self.file, flush=True)

    def end(self, rows: Rows, failure: BaseException | None) -> None:
        """The last line."""
        print(line(rows, failure), file=self.file, flush=True)


def line(rows: Rows, failure: BaseException | None = None) -> str:
    """One line about the run, and about those of its steps that tell most."""
    overall = rows.overall()
    shown, others = most_telling(rows.rows(), STEPS_IN_A_LINE)
    steps = [*map(_in_a_line, shown), *([f"{others} more"] if others else [])]
    failed = [f"{overall.failed:,} failed"] if overall.failed else []
    return f"headrace: {rows.dag.name}: {_so_far(overall, failure)}: {'; '.join([*steps, *failed])}"


def _in_a_line(row: Row) -> str:
    bound = f", {row.now.in_flight} of {row.now.max_in_flight} in flight" if row.now.max_in_flight > 1 else ""
    blocked = f", {row.status}" if row.now.state in ("waiting", "held back") else ""
    ended = row.now.state == "done"
    return f"{row.name} {row.now.items_out:,} ({rate(row.rate)}/s{'' if ended else bound + blocked})"


def table(rows: Rows, most: int, width: int, failure: BaseException | None = None) -> Table:
    """A table with a row for each step: at most so many, for a console of that width."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    shown, others = most_telling(rows.rows(), max(most, 1))
    totals = any(row.now.total is not None for row in shown) and width >= 100
    drawn = Table(
        title=Text(f"{rows.dag.name}: {_so_far(rows.overall(), failure)}"),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 1),
        caption=f"… and {others} more steps" if others else None,
        caption_justify="left",
    )
    drawn.add_column("step", no_wrap=True, min_width=8, max_width=max(width // 4, 14), overflow="ellipsis")
    for name in ("in", "out", *(["of"] if totals else []), "failed", "items/s"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("in flight", justify="right", no_wrap=True)
    drawn.add_column("", width=8)
    drawn.add_column("", no_wrap=True, overflow="ellipsis")
    for row in shown:
        now, bounded = row.now, row.now.max_in_flight > 1 and row.now.state != "done"
        total = [f"{now.total:,}" if now.total is not None else ""] if totals else []
        drawn.add_row(
            Text(row.name),
            f"{now.items_in:,}",
            f"{now.items_out:,}",
            *total,
            f"[red]{now.failed:,}[/]" if now.failed else "0",
            rate(row.rate),
            f"{now.in_flight:,}/{now.max_in_flight:,}" if bounded else "",
            ProgressBar(total=now.max_in_flight, completed=now.in_flight, width=8) if bounded else "",
            Text(row.status, STYLES[now.state]),
        )
    return drawn


STYLES = {"running": "green", "waiting": "yellow", "held back": "magenta", "done": "dim"}


def _so_far(overall: Overall, failure: BaseException | None) -> str:
    """The run as a whole: how long, and how much of it; or how it ended."""
    if overall.over:
        return f"{'done' if failure is None else type(failure).__name__} after {clock(overall.seconds)}"
    part = "" if overall.part is None else f", {overall.part:.0%}"
    left = "" if overall.left is None else f", {clock(overall.left)} to go"
    return f"{clock(overall.seconds)}{part}{left}"
