"""Runs that are made again because a place has died, without Ray: places are threads of this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headrace import RunEnded, RunError, RunStarted, Stream, WorkerError, pipeline, step
from headrace.engine.replay import Replays, replayed, replayed_items
from headrace.stores import runs_in
from tests.far.loopback import Mortal, far_attempt


class Deaths:
    """Lets the place of a step die at its `at`-th call, as often as is said."""

    def __init__(self, step: str, at: int, times: int = 1) -> None:
        self.step = step
        self.at = at
        self.left = times
        self.calls: list[int] = []
        self.in_attempt = 0
        self.mortal: Mortal | None = None

    def place(self, codec: Any, step: str) -> Mortal:
        made = Mortal(codec, step)
        if step.endswith(self.step):
            self.mortal, self.in_attempt = made, 0
        return made

    def called(self, number: int) -> int:
        self.calls.append(number)
        self.in_attempt += 1
        if self.in_attempt == self.at and self.left and self.mortal is not None:
            self.left -= 1
            self.mortal.die()
        return number * 10


@step(max_in_flight=2)
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def line_of(function: Any, **options: Any) -> Any:
    called = step("called", fn=function, max_in_flight=2, **options)

    @pipeline
    def line(count: int) -> Stream[int]:
        return numbers(count).map(called).map(step("last", fn=abs))

    return line


def items_of(deaths: Deaths, most: int, line: Any, count: int, **options: Any) -> Iterator[Any]:
    begin = partial(far_attempt, line, count, place=deaths.place, **options)
    return replayed_items(begin, lambda run: run.observed_items(), Replays(line.dag, most))


def result_of(deaths: Deaths, most: int, line: Any, count: int, **options: Any) -> Any:
    begin = partial(far_attempt, line, count, place=deaths.place, counting=True, **options)
    return replayed(begin, lambda run: run.observed(), Replays(line.dag, most))


@pytest.mark.parametrize("mortal", ["numbers", "called", "last"])
@pytest.mark.parametrize("at", [1, 5, 10])
def test_each_item_is_given_once_whichever_place_dies(mortal: str, at: int, caplog: pytest.LogCaptureFixture) -> None:
    deaths = Deaths(mortal, at, times=2)
    with caplog.at_level(logging.WARNING, "headrace"):
        found = [*items_of(deaths, 3, line_of(deaths.called), 10)]
    assert found == [number * 10 for number in range(10)]
    assert deaths.left == 0
    messages = [message.partition(": line/")[0] for message in caplog.messages]
    assert [message.partition(", without")[0] for message in messages] == [
        "headrace: pipeline 'line' runs again (1 of 3)",
        "headrace: pipeline 'line' runs again (2 of 3)",
    ]


def test_result_and_report_are_those_of_the_last_run() -> None:
    deaths = Deaths("called", 4)
    events: list[Any] = []
    result, report = result_of(deaths, 1, line_of(deaths.called), 6, observers=[events.append])
    assert result == [0, 10, 20, 30, 40, 50]
    assert report.node("line/called").items_out == 6
    assert len(deaths.calls) >= 4 + 6
    ends = [event for event in events if isinstance(event, (RunStarted, RunEnded))]
    assert [type(event) for event in ends] == [RunStarted, RunEnded] * 2
    assert isinstance(ends[1].failure, WorkerError)
    assert len({event.run for event in ends}) == 2


def test_run_is_made_again_so_often_and_no_more() -> None:
    deaths = Deaths("called", 3, times=9)
    items = items_of(deaths, 2, line_of(deaths.called), 6)
    with pytest.raises(WorkerError, match="line/called: must run to its end, got a place that died"):
        list(items)
    assert deaths.left == 6


def test_what_a_step_raises_never_has_a_run_made_again() -> None:
    attempts: list[int] = []

    @step(max_in_flight=2)
    def raising(number: int) -> int:
        attempts.append(number)
        raise WorkerError("of a step")

    deaths = Deaths("nothing", 0)
    with pytest.raises(WorkerError, match="of a step"):
        list(items_of(deaths, 3, numbers | raising | step("last", fn=abs), 1))
    assert attempts == [0]


def test_finished_items_are_not_called_for_again_with_a_checkpoint(tmp_path: Path) -> None:
    deaths = Deaths("last", 4)
    seen = step("seen", fn=deaths.called, max_in_flight=2)
    calls: list[int] = []

    @step(max_in_flight=2, checkpoint=True, version="1")
    def kept(number: int) -> int:
        calls.append(number)
        return number

    @pipeline
    def line(count: int) -> Stream[int]:
        return numbers(count).map(kept).map(seen).map(step("last", fn=abs))

    store = tmp_path / "kept.db"
    assert [*items_of(deaths, 1, line, 9, checkpoint=store)] == [number * 10 for number in range(9)]
    assert calls == [*range(9)]
    assert [run.state for run in runs_in(store)] == ["failed", "finished"]


def test_caller_that_leaves_ends_the_run_that_was_made_again() -> None:
    deaths = Deaths("called", 3)
    closed: list[str] = []

    @step(max_in_flight=2)
    def endless() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.append("closed")

    begin = partial(far_attempt, endless | step("called", fn=deaths.called, max_in_flight=2), place=deaths.place)
    items = replayed_items(begin, lambda run: run.observed_items(), Replays(endless.dag, 1))
    assert [next(items) for _ in range(5)] == [0, 10, 20, 30, 40]
    items.close()
    assert closed == ["closed", "closed"]


def test_run_that_gives_less_than_before_is_an_error() -> None:
    deaths = Deaths("called", 6)
    counts = [9, 2]

    @step(max_in_flight=2)
    def fewer() -> Iterator[int]:
        yield from range(counts.pop(0))

    line = fewer | step("called", fn=deaths.called, max_in_flight=2)
    begin = partial(far_attempt, line, place=deaths.place)
    items = replayed_items(begin, lambda run: run.observed_items(), Replays(line.dag, 1))
    with pytest.raises(RunError) as caught:
        list(items)
    text = str(caught.value)
    assert text.startswith("pipeline 'fewer_to_called': must give the same items when it runs again, got 2 where ")
