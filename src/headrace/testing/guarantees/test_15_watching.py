"""15. Watching a run."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from headrace import Event, Live, NodeSnapshot, RunEnded, RunStarted, Snapshot, pipeline, step, stream, zip_streams
from headrace.testing import RUNNERS, Runner


class Watcher:
    """An observer that keeps the run's `live`, and its report; from another thread it looks at a node."""

    live: Live
    report: Any
    threads: ThreadPoolExecutor = ThreadPoolExecutor(1)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.live = event.live
        if isinstance(event, RunEnded):
            self.report = event.report

    def look(self) -> Snapshot:
        return self.threads.submit(self.live.snapshot).result()

    def node(self, id: str) -> NodeSnapshot:
        return self.look().node(id)

    def until(self, true: Callable[[Snapshot], bool]) -> Snapshot:
        """Look again until it is so."""
        last = time.monotonic() + 30
        while not true(seen := self.live.snapshot()):
            assert time.monotonic() < last, seen
        return seen


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def counts(snapshot: Snapshot) -> list[tuple[str, int, int]]:
    return [(node.id.partition("/")[2], node.items_in, node.items_out) for node in snapshot.nodes]


every_runner: pytest.MarkDecorator = pytest.mark.parametrize("runner", RUNNERS, ids=[runner.name for runner in RUNNERS])


@every_runner
def test_15_1_steps_that_run_as_one_loop_are_counted_one_by_one_while_it_runs(runner: Runner, watcher: Watcher) -> None:
    seen: list[Any] = []

    @step
    def numbers(count: int) -> Iterator[int]:
        yield from range(count)

    def odd(number: int) -> bool:
        return number % 2 == 1

    def twice(number: int) -> list[int]:
        return [number, number]

    def look(number: int) -> int:
        if number == 5 and not seen:
            seen.append(counts(watcher.look()))
        return number

    @pipeline
    def watched(count: int) -> Any:
        return numbers(count).filter(odd).flat_map(twice).map(look).filter(odd).map(str)

    assert len(runner.execute({"observers": [watcher]}, watched, 8)) == 8
    assert seen == [[("numbers", 0, 6), ("odd", 6, 3), ("twice", 3, 5), ("look", 5, 5), ("odd#2", 5, 4), ("str", 4, 4)]]


@every_runner
def test_15_1_a_loop_in_a_task_is_counted_while_it_runs(runner: Runner, watcher: Watcher) -> None:
    seen: list[Any] = []

    async def odd(number: int) -> bool:
        return number % 2 == 1

    async def look(number: int) -> int:
        if number == 5:
            seen.append(counts(watcher.look()))
        return number

    @pipeline
    def watched(count: range) -> Any:
        return stream(count).filter(odd).map(look).map(str)

    assert runner.execute({"observers": [watcher]}, watched, range(8)) == ["1", "3", "5", "7"]
    assert seen == [[("stream", 0, 6), ("odd", 6, 3), ("look", 3, 3), ("str", 3, 3)]]


@every_runner
def test_15_1_a_list_that_grows_and_branches_that_are_woven_are_counted(runner: Runner, watcher: Watcher) -> None:
    seen: list[Any] = []

    def look(number: int) -> int:
        if number == 2:
            seen.append(counts(watcher.look()))
        return number

    @pipeline
    def listed(count: range) -> Any:
        return stream(count).map(look).map(str).collect()

    @pipeline
    def woven(count: range) -> Any:
        numbers = stream(count)
        return zip_streams(numbers.map(look), numbers.map(str))

    runner.execute({"observers": [watcher]}, listed, range(5))
    runner.execute({"observers": [watcher]}, woven, range(5))
    assert [row[1:] for row in seen[0]] == [(0, 2), (2, 2), (2, 2), (2, 0)]
    assert [row[1:] for row in seen[1]] == [(0, 3), (3, 3), (3, 3), (6, 3)]


@every_runner
def test_15_1_what_is_caught_is_counted_while_the_results_are_read(runner: Runner, watcher: Watcher) -> None:
    seen: list[Any] = []

    def number(text: str) -> int:
        return int(text)

    def look(number: int) -> int:
        if number == 4:
            seen.extend([watcher.node("caught/number"), watcher.node("caught/look")])
        return number

    @pipeline
    def caught(texts: list[str]) -> Any:
        numbers, failures = stream(texts).map(number).catch()
        return numbers.map(look).collect(), failures.collect()

    runner.execute({"observers": [watcher]}, caught, ["1", "x", "2", "3", "4", "5"])
    assert [(node.items_in, node.items_out, node.failed) for node in seen] == [(5, 4, 1), (4, 3, 0)]


@every_runner
def test_15_1_items_in_flight_are_seen(runner: Runner, watcher: Watcher) -> None:
    seen: list[int] = []

    @step(max_in_flight=3)
    def numbers(count: int) -> Iterator[int]:
        yield from range(count)

    def look(number: int) -> int:
        seen.append(watcher.node("watched/numbers").in_flight)
        return number

    @pipeline
    def watched(count: int) -> Any:
        return numbers(count).map(look)

    runner.execute({"observers": [watcher]}, watched, 7)
    assert all(count in (2, 3) for count in seen[:4])
    assert seen[-1] == 0


@every_runner
@pytest.mark.parametrize("executor", ["thread", "async"])
def test_15_1_who_waits_for_whom_is_seen(runner: Runner, watcher: Watcher, executor: str) -> None:
    seen: list[Snapshot] = []

    def waits(snapshot: Snapshot) -> bool:
        return snapshot.node("watched/total").state == "waiting" and snapshot.node("watched/fetch").in_flight == 2

    def fetched(url: str) -> str:
        if url == "b":
            seen.append(watcher.until(waits))
        return url

    async def fetched_in_task(url: str) -> str:
        import asyncio

        return await asyncio.to_thread(fetched, url)

    def total(pages: Iterator[str]) -> str:
        return "".join(pages)

    fetch = (
        step("fetch", fn=fetched, executor="thread", max_in_flight=2)
        if executor == "thread"
        else step("fetch", fn=fetched_in_task, max_in_flight=2)
    )

    @pipeline
    def watched(urls: str) -> Any:
        return step("total", fn=total)(stream(urls).map(fetch))

    assert runner.execute({"observers": [watcher]}, watched, "abc") == "abc"
    now = {node.id.partition("/")[2]: (node.state, node.on) for node in seen[0].nodes}
    assert now["fetch"] == ("running", None)
    assert now["total"] == ("waiting", "watched/fetch")


@every_runner
def test_15_1_who_is_held_back_by_whom_is_seen(runner: Runner, watcher: Watcher) -> None:
    seen: list[NodeSnapshot] = []

    @step(executor="thread")
    def write(pages: Iterator[str]) -> Iterator[str]:
        yield next(pages)
        held = watcher.until(lambda snapshot: snapshot.node("watched/fetch").state == "held back")
        seen.append(held.node("watched/fetch"))
        yield from pages

    @pipeline
    def watched(urls: str) -> Any:
        return write(stream(urls).map(step("fetch", fn=str.upper, executor="thread", max_in_flight=2)))

    assert runner.execute({"observers": [watcher]}, watched, "abcde") == list("ABCDE")
    assert [(node.on, node.in_flight, node.max_in_flight) for node in seen] == [("watched/write", 1, 2)]


@every_runner
def test_15_1_the_total_is_known_where_a_list_says_so(runner: Runner, watcher: Watcher) -> None:
    class Asked(list[int]):
        def __len__(self) -> int:
            raise AssertionError("nobody asks code of a user's")

    @pipeline
    def watched(known: list[int], unknown: list[int]) -> Any:
        strings = stream(known).map(str).enumerate(1)
        return strings.collect(), stream(known).filter(bool).collect(), stream(unknown).map(str).collect()

    runner.execute({"observers": [watcher]}, watched, [0, 1, 2], Asked([1]))
    totals = [node.total for node in watcher.look().nodes]
    assert totals == [3, 3, 3, None, 3, None, None, None, None, None]


@every_runner
@pytest.mark.parametrize("text", ["1 2 3", "1 x 3"])
def test_15_2_at_the_end_it_is_what_the_report_says_and_keeps_nothing_of_the_run(
    runner: Runner, watcher: Watcher, text: str
) -> None:
    class Item:
        pass

    kept: list[Any] = []

    def number(text: str) -> int:
        return int(text)

    def made(number: int) -> Item:
        item = Item()
        kept.append(weakref.ref(item))
        return item

    @pipeline
    def watched(texts: list[str]) -> Any:
        return stream(texts).map(step("number", fn=number, max_in_flight=2)).map(made)

    with pytest.raises(ValueError, match="invalid") if "x" in text else nullcontext():
        runner.execute({"observers": [watcher]}, watched, text.split())
    now = watcher.look()
    assert now.over
    for node in now.nodes:
        report = watcher.report.node(node.id)
        numbers = (report.items_in, report.items_out, report.failed, report.seconds)
        assert (node.items_in, node.items_out, node.failed, node.seconds) == numbers
    gc.collect()
    assert [ref() for ref in kept if ref() is not None] == []


@every_runner
def test_15_2_counts_never_go_back(runner: Runner, watcher: Watcher) -> None:
    @step(max_in_flight=3)
    def numbers(count: int) -> Iterator[int]:
        yield from range(count)

    @pipeline
    def watched(count: int) -> Any:
        made = numbers(count)
        return made.map(str).filter(bool).collect(), made.batched(2).map(len).collect()

    over = threading.Event()

    def look() -> list[Snapshot]:
        seen = []
        while not over.is_set():
            seen.append(watcher.live.snapshot())
        return seen

    def begin(event: Event) -> None:
        if isinstance(event, RunStarted):
            looking.append(watcher.threads.submit(look))

    looking: list[Any] = []
    try:
        runner.execute({"observers": [watcher, begin]}, watched, 20_000)
    finally:
        over.set()
    seen = looking[0].result()
    assert len(seen) > 1
    for one, other in pairwise(seen):
        for before, after in zip(one.nodes, other.nodes, strict=True):
            assert before.items_in <= after.items_in + 3  # what an express has in hand, three at most, is uncertain
            assert before.items_out <= after.items_out + 3


@every_runner
def test_15_3_progress_goes_to_standard_error_and_changes_nothing(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    @pipeline
    def shouted(texts: list[str]) -> Any:
        return stream(texts).map(str.upper)

    assert runner.execute({"progress": True}, shouted, ["a", "b"]) == runner(shouted, ["a", "b"])
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("headrace: shouted: done after ")
    assert not [thread for thread in threading.enumerate() if "sampler" in thread.name]


@every_runner
@pytest.mark.parametrize("failure", [None, ValueError("two"), KeyboardInterrupt()])
def test_15_4_a_page_is_written_however_the_run_ends(
    runner: Runner, tmp_path: Path, failure: BaseException | None
) -> None:
    file = tmp_path / "run.html"

    def number(text: str) -> int:
        if text == "2" and failure is not None:
            raise failure
        return int(text)

    @pipeline
    def numbers(texts: list[str]) -> Any:
        return stream(texts).map(step("number", fn=number, max_in_flight=2))

    with pytest.raises(type(failure)) if failure is not None else nullcontext():
        runner.execute({"report": file}, numbers, ["1", "2", "3"])
    text = file.read_text(encoding="utf-8")
    status = {type(None): "done", ValueError: "ended with ValueError", KeyboardInterrupt: "interrupted"}
    assert f">{status[type(failure)]}</span>" in text
    assert "numbers/number" in text
    assert not [thread for thread in threading.enumerate() if "sampler" in thread.name]


@every_runner
def test_15_4_a_page_that_cannot_be_written_is_logged_and_the_run_goes_on(
    runner: Runner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def remove(text: str) -> str:
        folder.rmdir()
        return text

    @pipeline
    def removing(texts: list[str]) -> Any:
        return stream(texts).map(remove)

    assert runner.execute({"report": folder / "run.html"}, removing, ["a"]) == ["a"]
    assert "is told nothing more" in caplog.text
