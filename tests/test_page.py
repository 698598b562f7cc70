"""The page about a run: what is on it, that it is whole by itself, and how it is written. Browsers: tests/browser."""

from __future__ import annotations

import re
from datetime import datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from headrace import Dag, NodeSnapshot, OptionError, Snapshot, Stream, SyncRunner, pipeline, step, stream
from headrace.engine.report import EdgeReport, NodeReport, Report
from headrace.observe.charts import area, mean
from headrace.observe.findings import bottleneck
from headrace.observe.page import page
from headrace.observe.recording import MOST, Recording

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Whole(HTMLParser):
    """Reads a page: that every element is closed, what text each section has, and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sections: dict[str, str] = {"": ""}
        self.section = ""
        self.references: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag == "section":
            self.section = names.get("id") or ""
            self.sections[self.section] = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        self.sections[self.section] += data


@pipeline
def crawl(urls: list[str]) -> int:
    def fetch(url: str) -> str:
        if "x" in url:
            raise ValueError(f"no answer from <{url}>")
        return url

    pages = stream(urls).map(step("fetch", fn=fetch, executor="thread", max_in_flight=4, on_error="skip"))
    return step("write", fn=len)(pages.collect())


def written(folder: Path, flow: Any, *arguments: Any) -> str:
    file = folder / "run.html"
    try:
        SyncRunner(report=file).execute(flow, *arguments)
    except ValueError:
        pass
    assert [each.name for each in folder.iterdir()] == ["run.html"]
    return file.read_text(encoding="utf-8")


def test_a_page_tells_of_every_step_and_refers_to_nothing_outside(tmp_path: Path) -> None:
    text = written(tmp_path, crawl, ["a", "b", "x"])
    read = Whole(text)
    assert read.references == []
    assert not re.search(r"@import|url\(|<script", text)
    assert [name for name in read.sections if name] == ["steps", "graph", "slowest", "failures"]
    for name in ("stream", "fetch", "write"):
        assert name in read.sections["steps"]
        assert name in read.sections["graph"]
    assert " of 4" in read.sections["steps"]
    assert "1 failed" in read.sections["graph"]
    assert "'a'" in read.sections["slowest"]
    assert "fetch: 1 failed, 1 left out" in read.sections["failures"]
    assert "ValueError: no answer from <x>" in read.sections["failures"]
    assert "Traceback (most recent call last)" in read.sections["failures"]
    assert "done" in read.sections[""]


def test_a_page_of_a_run_that_failed_says_why(tmp_path: Path) -> None:
    read = Whole(written(tmp_path, step("number", fn=int), "two"))
    assert "ended with ValueError" in read.sections[""]
    assert "invalid literal for int() with base 10: 'two'" in read.sections["ending"]
    assert "headrace: step 'number'" in read.sections["ending"]


def test_what_things_are_called_stays_text(tmp_path: Path) -> None:
    name, item = "<script>'&'", "<script>alert('&')</script>"
    text = written(tmp_path, stream_of(step(name, fn=lambda text: int(text), on_error="skip")), [item, "1"])
    assert "<script" not in text
    assert name in Whole(text).sections["steps"]
    assert item in Whole(text).sections["failures"]


def stream_of(each: Any) -> Any:
    @pipeline
    def texts(texts: list[str]) -> Stream[Any]:
        return stream(texts).map(each)

    return texts


def test_a_page_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    first = written(folder, step("first", fn=len), "a")
    (tmp_path / "opened").hardlink_to(folder / "run.html")
    assert written(folder, step("second", fn=len), "a") != first
    assert (tmp_path / "opened").read_text(encoding="utf-8") == first  # whoever reads it has it whole


def test_of_many_failures_some_are_shown_at_once(tmp_path: Path) -> None:
    text = written(tmp_path, crawl, ["x"] * 150)
    assert "80 more" in Whole(text).sections["failures"]  # a hundred are kept


def test_tracebacks_are_of_what_the_user_wrote(tmp_path: Path) -> None:
    text = written(tmp_path, crawl, ["x"])
    assert "test_page.py" in Whole(text).sections["failures"]
    assert "stopwatch.py" not in Whole(text).sections["failures"]


def test_what_graphlay_is_needed_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "graphlay", None)
    with pytest.raises(OptionError) as caught:
        SyncRunner(report="run.html")
    assert str(caught.value) == (
        "the page of a run needs 'graphlay', which is not installed; pip install 'headrace[pictures]'"
    )


# -- what held a run up --------------------------------------------------------------------------------------


def report(dag: Dag, **seconds: float) -> Report:
    nodes = [
        NodeReport(id=node.id, items_in=10, items_out=10, seconds=seconds.get(node.name, 0.0))
        for node in dag.nodes
        if node.kind != "parameter"
    ]
    edges = [EdgeReport(source="", target="", parameter="", taken=0, highest_in_flight=0)]
    return Report(nodes=tuple(nodes), edges=tuple(edges))


def line_of(*steps: Any) -> Dag:
    @pipeline
    def line(items: list[Any]) -> Stream[Any]:
        made: Any = stream(items)
        for each in steps:
            made = made.map(each)
        return made

    return line.dag


async def fetched(url: str) -> str:
    return url


@pytest.mark.parametrize(
    ("steps", "seconds", "in_flight", "sentence"),
    [
        (
            [step("fetch", fn=fetched, max_in_flight=30), step("parse", fn=str)],
            {"fetch": 270, "parse": 3},
            30,
            "fetch is the bottleneck: on average 27.0 of its 30 calls at once were under way. It needs a larger "
            "max_in_flight or quicker calls.",
        ),
        (
            [step("fetch", fn=fetched, max_in_flight=30, concurrency=10)],
            {"fetch": 90},
            30,
            "fetch is the bottleneck: on average 9.0 of its 10 calls at once were under way. It needs a larger "
            "concurrency or quicker calls.",
        ),
        (
            [step("fetch", fn=fetched, max_in_flight=30), step("parse", fn=str)],
            {"fetch": 60, "parse": 8},
            10,
            "parse is the bottleneck: it was busy for 80% of the time, one call after the other. executor='thread' (if "
            "it waits) or 'process' (if it computes) has them overlap.",
        ),
        (
            [step("fetch", fn=fetched)],
            {"fetch": 9},
            1,
            "fetch is the bottleneck: it was busy for 90% of the time, one call after the other. With a larger "
            "max_in_flight its calls overlap.",
        ),
        (
            [step("one", fn=str), step("two", fn=str)],
            {"one": 4, "two": 3},
            1,
            "No single step is the bottleneck: the plain steps together were busy for 70% of the time, in one thread, "
            "most of it one (40%) and two (30%).",
        ),
        (
            [step("one", fn=str)],
            {"one": 1},
            1,
            "No step was busy for most of the time. one was busiest, 10% of the time.",
        ),
    ],
)
def test_the_bottleneck_is_named_with_what_helps(
    steps: list[Any], seconds: dict[str, float], in_flight: float, sentence: str
) -> None:
    dag = line_of(*steps)
    finding = bottleneck(dag, report(dag, **seconds), 10, lambda id: in_flight)
    assert finding.sentence == sentence
    assert (finding.step is None) == sentence.startswith("No ")


def test_a_limit_may_be_the_bottleneck() -> None:
    from headrace import Limit

    dag = line_of(step("fetch", fn=fetched, max_in_flight=30, limit=Limit(rate="100/min")))
    finding = bottleneck(dag, report(dag, fetch=20), 10, lambda id: 29.0)
    assert finding.sentence == (
        "fetch is the bottleneck: most of its calls waited for their limit, 100/min. Only a higher limit is faster."
    )


# -- the time line -------------------------------------------------------------------------------------------


def moment(seconds: float, *, out: int = 0, in_flight: int = 0, over: bool = False) -> Snapshot:
    node = NodeSnapshot(id="a/b", items_in=0, items_out=out, in_flight=in_flight, max_in_flight=9)
    return Snapshot(seconds=seconds, over=over, nodes=(node,))


@pytest.mark.parametrize("peak", range(1234, 1239))
def test_a_time_line_has_bounded_memory_and_forgets_no_peak(peak: int) -> None:
    recording = Recording()
    for number in range(20 * MOST):
        recording.add(moment(number / 10, out=number, in_flight=9 if number == peak else 1))
        assert len(recording.of("a/b")) <= MOST
    recording.add(moment(2 * MOST, out=20 * MOST, over=True))
    moments = recording.of("a/b")
    assert len(moments) > MOST / 4
    assert (moments[0].seconds, moments[-1].seconds) == (0, 2 * MOST)
    assert all(before.seconds < after.seconds for before, after in pairwise(moments))
    assert max(each.in_flight for each in moments) == 9


def test_rates_add_up_to_what_came() -> None:
    recording = Recording()
    for seconds, out in ((0, 0), (1, 10), (1, 10), (3, 50), (3.5, 50)):
        recording.add(moment(seconds, out=out))
    assert list(recording.rates("a/b")) == [(1, 10.0), (3, 20.0), (3.5, 0.0)]


def test_a_chart_stays_in_its_frame_whatever_the_numbers() -> None:
    drawn = area([(0, -1), (1, 2), (2, 0)], 2, 1, "in flight, 0 to 1")
    numbers = re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", drawn)
    assert all(0 <= float(x) <= 600 and 0 <= float(y) <= 40 for x, y in numbers)
    assert area([], 0, 0, "nothing").count("<path") == 0
    assert mean([]) == 0


def test_a_page_can_be_had_of_a_run_without_any_moment() -> None:
    dag = line_of(step("one", fn=str))
    text = page(dag, report(dag), Recording(), 0.0, None, datetime(2026, 1, 31))
    assert "The run was over before" in Whole(text).sections[""]
