"""Progress: what is said of a run, and where it is shown."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from headrace import NodeSnapshot, OptionError, RunEnded, Snapshot, Stream, SyncRunner, pipeline, step, stream
from headrace.engine.snapshot import Live
from headrace.observe import progress as showing
from headrace.observe.progress import line, table
from headrace.observe.rows import Rows, most_telling
from headrace.observe.sampling import Sampler


@pipeline
def crawl(urls: list[str]) -> int:
    pages = stream(urls).map(step("fetch", fn=str.upper, executor="thread", max_in_flight=30, on_error="skip"))
    return step("write", fn=len)(pages.map(str.lower).collect())


def snapshot(seconds: float, fetched: int, *, over: bool = False, **fetch: Any) -> Snapshot:
    nodes = [
        NodeSnapshot(id="crawl/stream", items_in=0, items_out=fetched + 10, total=1000),
        NodeSnapshot(id="crawl/fetch", items_in=fetched + 10, items_out=fetched, max_in_flight=30, **fetch),
        NodeSnapshot(id="crawl/lower", items_in=fetched, items_out=fetched, seconds=seconds / 4),
        NodeSnapshot(id="crawl/collect", items_in=fetched, items_out=0, state="waiting", on="crawl/lower"),
        NodeSnapshot(id="crawl/write", items_in=0, items_out=0, state="waiting", on="crawl/collect"),
    ]
    return Snapshot(seconds=seconds, over=over, nodes=tuple(nodes))


def rows_of(*snapshots: Snapshot) -> Rows:
    rows = Rows(crawl.dag)
    for each in snapshots:
        rows.add(each)
    return rows


def drawn(rows: Rows, width: int = 80, most: int = 20) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(table(rows, most, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rates_are_of_the_last_seconds_and_what_is_left_follows_from_them() -> None:
    rows = rows_of(snapshot(0, 0), snapshot(10, 100), snapshot(12, 200), snapshot(15, 350, in_flight=7, total=990))
    assert [round(row.rate, 3) for row in rows.rows()] == [50, 50, 50, 0]
    overall = rows.overall()
    assert overall.part == pytest.approx(0.36, abs=0.01)
    assert overall.left == pytest.approx(640 / 50)


def test_nothing_is_said_of_what_is_left_where_no_list_says_how_many_items_come() -> None:
    rows = Rows(crawl.dag)
    rows.add(Snapshot(seconds=1, over=False, nodes=(NodeSnapshot(id="crawl/fetch", items_in=1, items_out=1),)))
    assert (rows.overall().part, rows.overall().left) == (None, None)
    assert line(rows) == "headrace: crawl: 0:01: fetch 1 (1.00/s)"


def test_nothing_is_said_of_what_is_left_while_a_step_gives_nothing() -> None:
    rows = rows_of(snapshot(0, 100, total=1000), snapshot(2, 100, total=1000))
    assert rows.overall().left is None


def test_a_row_says_what_its_step_does_or_waits_for() -> None:
    rows = rows_of(snapshot(0, 0), snapshot(2, 100, state="held back", on="crawl/lower"))
    assert [row.status for row in rows.rows()] == ["running", "held back by lower", "busy 25%", "waiting for lower"]


def test_the_caller_can_hold_a_step_back() -> None:
    rows = rows_of(snapshot(2, 100, state="held back", on=""))
    assert rows.rows()[1].status == "held back by the caller"


def test_a_line_says_it_in_short() -> None:
    rows = rows_of(snapshot(0, 0), snapshot(4, 100, failed=2, in_flight=10))
    assert line(rows) == (
        "headrace: crawl: 0:04, 11%, 0:35 to go: stream 110 (25.0/s); fetch 100 (25.0/s, 10 of 30 in flight); "
        "lower 100 (25.0/s); write 0 (0.00/s, waiting for lower); 2 failed"
    )
    rows = rows_of(snapshot(0, 0), snapshot(4, 1000, over=True))
    assert line(rows).startswith("headrace: crawl: done after 0:04: ")
    assert line(rows, ValueError("x")).startswith("headrace: crawl: ValueError after 0:04: ")


@pytest.mark.parametrize("width", [72, 80, 100, 200])
def test_a_table_fits_in_the_terminal(width: int) -> None:
    text = drawn(rows_of(snapshot(0, 0), snapshot(4, 100, failed=2, in_flight=10)), width)
    assert max(len(each.rstrip()) for each in text.splitlines()) <= width
    assert "fetch" in text


def test_a_table_has_a_bar_for_a_bound_and_colours_for_nothing_but_words() -> None:
    rows = rows_of(snapshot(0, 0), snapshot(4, 100, failed=2, in_flight=15))
    heading, head, *lines = (each.rstrip() for each in drawn(rows).splitlines())
    assert heading.strip() == "crawl: 0:04, 11%, 0:35 to go"
    assert head.split() == ["step", "in", "out", "failed", "items/s", "in", "flight"]
    assert lines[1].split()[:6] == ["fetch", "110", "100", "2", "25.0", "15/30"]
    assert lines[1].count("━") == 4
    assert lines[3].endswith("waiting for lower")


def test_names_are_no_markup() -> None:
    named = step("[red]", fn=range).dag
    rows = Rows(named)
    rows.add(Snapshot(seconds=1, over=False, nodes=(NodeSnapshot(id=named.nodes[-1].id, items_in=0, items_out=0),)))
    assert "[red]" in drawn(rows)


def test_of_many_steps_those_that_tell_most_are_shown_in_their_order() -> None:
    @pipeline
    def long(numbers: list[int]) -> Stream[int]:
        made: Stream[int] = stream(numbers)
        for number in range(100):
            made = made.map(step(f"step{number}", fn=abs, max_in_flight=30 if number == 70 else 1))
        return made

    rows = Rows(long.dag)
    bounds = {node.id: node.max_in_flight for node in long.dag.nodes}
    nodes = [
        NodeSnapshot(id=id, items_in=1, items_out=1, max_in_flight=bound, failed=id.endswith("/step90"))
        for id, bound in bounds.items()
        if "(" not in id
    ]
    rows.add(Snapshot(seconds=1, over=False, nodes=tuple(nodes)))
    shown, others = most_telling(rows.rows(), 3)
    assert [row.name for row in shown][1:] == ["step70", "step90"]
    assert others == 98
    assert drawn(rows, most=3).rstrip().endswith("… and 98 more steps")


# -- where it is shown ---------------------------------------------------------------------------------------


def test_where_there_is_no_terminal_it_is_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert SyncRunner(progress=True).execute(crawl, ["a", "b"]).result == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert [each.partition("after")[0] for each in error.splitlines()] == ["headrace: crawl: done "]
    assert "fetch 2 (" in error


def test_a_run_that_fails_says_with_what(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="invalid"):
        SyncRunner(progress=True).execute(step("number", fn=int), "x")
    assert "headrace: number: ValueError after 0:00: number 0 (0.00/s); 1 failed" in capsys.readouterr().err


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return Screen()


def test_on_a_terminal_it_is_a_table_and_what_is_printed_goes_above_it(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, output = threading.Event(), Screen()
    monkeypatch.setattr(showing.Terminal, "every", 0.001)
    draw = showing.Terminal.draw

    def draw_and_tell(self: Any, *arguments: Any) -> None:
        draw(self, *arguments)
        seen.set()

    monkeypatch.setattr(showing.Terminal, "draw", draw_and_tell)

    def say(text: str) -> str:
        seen.wait()
        print("said", text)
        print("warned", file=sys.stderr)
        return text

    @pipeline
    def told(texts: list[str]) -> Stream[str]:
        return stream(texts).map(say)

    with redirect_stdout(output), redirect_stderr(screen):
        assert SyncRunner(progress=True).execute(told, ["a"]).result == ["a"]
        assert (sys.stdout, sys.stderr) == (output, screen)
    text = screen.getvalue()
    assert text.index("told: 0:00") < text.index("said a") < text.index("warned") < text.rindex("told: done after 0:00")
    assert output.getvalue() == ""


def test_a_second_run_on_the_same_terminal_has_lines(screen: Screen) -> None:
    def inner(text: str) -> int:
        return SyncRunner(progress=True).execute(crawl, [text]).result

    @pipeline
    def outer(texts: list[str]) -> Stream[int]:
        return stream(texts).map(inner)

    with redirect_stderr(screen), showing._terminal:
        assert SyncRunner(progress=True).execute(outer, ["a"]).result == [1]
    assert screen.getvalue().count("headrace: crawl: done after") == 1
    with redirect_stderr(screen):
        SyncRunner(progress=True).execute(crawl, ["a"])
    assert screen.getvalue().count("headrace: crawl: done after") == 1
    assert "\x1b[" in screen.getvalue()  # now it has a table


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_dumb_terminal_has_lines(screen: Screen, monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    with redirect_stderr(screen):
        SyncRunner(progress=True).execute(crawl, ["a"])
    assert screen.getvalue().startswith("headrace: crawl: done") == (term == "dumb")


def test_in_a_notebook_it_is_one_output_that_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    def display(table: Any, *, display_id: bool) -> Any:
        shown.append(table)
        return SimpleNamespace(update=shown.append)

    module = ModuleType("IPython.display")
    module.display = display  # type: ignore[attr-defined]
    shell = ModuleType("IPython")
    shell.get_ipython = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(Console, "is_jupyter", True, raising=False)
    monkeypatch.setattr(showing, "_display", lambda file: showing.Notebook())
    SyncRunner(progress=True).execute(crawl, ["a", "b"])
    bundle = shown[-1]._repr_mimebundle_(include=(), exclude=())
    assert "crawl: done after 0:00" in bundle["text/plain"]
    assert "fetch" in bundle["text/html"]


def test_without_rich_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(OptionError) as caught:
        SyncRunner(progress=True)
    assert str(caught.value) == "progress needs 'rich', which is not installed; pip install 'headrace[progress]'"


# -- the thread ----------------------------------------------------------------------------------------------


def test_what_fails_while_it_looks_is_logged_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked = threading.Event()

    def look(snapshot: Snapshot) -> None:
        looked.set()
        raise ValueError("cannot draw")

    sampler = Sampler(Live(lambda: (), lambda: 0.0), look, 0.001)
    with caplog.at_level(logging.ERROR, "headrace"):
        sampler.start()
        looked.wait()
        sampler.stop()
    assert not sampler.thread.is_alive()
    assert caplog.messages == ["headrace: what watches a run failed, and watches no more"]


def test_a_look_that_takes_long_is_followed_by_a_long_pause() -> None:
    pauses: list[float | None] = []

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout)
            return len(pauses) == 4

    def look(snapshot: Snapshot) -> None:
        sum(range(2_000_000))

    sampler = Sampler(Live(lambda: (), lambda: 0.0), look, 0.001)
    sampler.stopped = Stopping()
    sampler._work()
    assert pauses[:2] == [0.001, 0.001]  # the first look imports what it draws with
    assert all(pause is not None and pause > 0.5 for pause in pauses[2:])


def test_no_thread_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    class Ended:
        hears = (RunEnded,)

        def __call__(self, event: object) -> None:
            running.append([thread.name for thread in threading.enumerate() if "sampler" in thread.name])

    running: list[list[str]] = []
    SyncRunner(progress=True, observers=[Ended()]).execute(crawl, ["a"])
    assert running == [["headrace sampler"]]
    assert [thread.name for thread in threading.enumerate() if "sampler" in thread.name] == []


@pytest.fixture(autouse=True)
def _terminal_is_free() -> Iterator[None]:
    yield
    assert not showing._terminal.locked()
