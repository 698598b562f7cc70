"""Generated pipelines that are killed: whole runs with checkpoints, which go on, and worker processes under a run."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from headrace import AsyncRunner, Checkpoint, Pipeline, Stream, SyncRunner, pipeline, step, zip_streams
from headrace.testing import RUNNERS, Runner
from tests.properties.cases import PER_ITEM, Case, cases
from tests.properties.meter import Meter
from tests.properties.test_generated import Expected, compiled, examples
from tests.properties.ways import came_of

pytestmark = [
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="kills what it has forked"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
PATIENCE = 20  # seconds


@pytest.fixture(autouse=True, scope="module")
def _two_quick_workers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_START_METHOD", "fork")
        patch.setattr("headrace.drivers.processes.cores", lambda: 2)
        yield


# -- runs --------------------------------------------------------------------------------------------------


def without_failures(case: Case) -> Case:
    """The pipeline, with steps that leave out what they fail at, but none that stops the run."""
    ops = [replace(op, fails=None) if op.on_error == "raise" else replace(op, limit=None) for op in case.ops]
    return replace(case, ops=tuple(ops))


def execute(pipeline: Any, count: int, store: Path) -> Any:
    return SyncRunner(checkpoint=Checkpoint(store, pickle=True)).execute(pipeline, count).result


def execute_async(pipeline: Any, count: int, store: Path) -> Any:
    return asyncio.run(AsyncRunner(checkpoint=Checkpoint(store, pickle=True)).execute(pipeline, count)).result


def killed_at(moment: int) -> Callable[[int], object]:
    def die(number: int) -> None:
        if number == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    return die


def ended(work: Callable[[], object]) -> int:
    """How a process ends that does that."""
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kept_in(store: Path) -> int:
    with sqlite3.connect(store) as file:
        [number] = file.execute("SELECT count(*) FROM results JOIN steps USING (step) WHERE name LIKE '%/%'").fetchone()
    file.close()
    return int(number)


@given(
    cases(most=6, waits=True).map(without_failures),
    st.lists(st.integers(0, 60), min_size=1, max_size=3),
    st.sampled_from([execute, execute_async]),
)
@examples(0.02)
def test_run_that_is_killed_goes_on_and_comes_to_the_same(
    case: Case, moments: list[int], way: Callable[..., Any]
) -> None:
    meter = Meter(case, reads_back=True)
    pipeline = compiled(case, meter, checkpoint=True, version="1")
    if pipeline is None:
        return
    with TemporaryDirectory() as folder:
        store = Path(folder, "kept.db")
        for meter.at_moment in map(killed_at, moments):
            how = ended(lambda: way(pipeline, case.count, store))
            assert how in (0, -signal.SIGKILL)
            event("killed" if how else "over before")
        kept = kept_in(store)
        meter.at_moment = lambda _: None
        expected = Expected(case)
        came = came_of(way, meter, pipeline, case.count, store)
        event(expected.check(way.__name__, came))
        if came.failure is None and not case.stops_early:
            steps = [op for op in case.ops if op.kind in PER_ITEM]
            assert sum(meter.calls.values()) == sum(len(expected.known[op.inputs[0]].items) for op in steps) - kept


# -- workers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """A step in worker processes, which die at items that end in one of `kills`, and fail at those in `fails`."""

    kills: frozenset[int]
    fails: frozenset[int]
    bound: int
    idempotent: bool

    def __call__(self, number: int, folder: str, place: str) -> int:
        if number % 10 in self.kills and self._is_first(Path(folder, f"{place} {number}")):
            os.kill(os.getpid(), signal.SIGKILL)
        if number % 10 in self.fails:
            raise ValueError(number)
        return number + 1

    def _is_first(self, call: Path) -> bool:
        try:
            call.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def expected(self, numbers: list[int]) -> list[int]:
        lost = self.fails if self.idempotent else self.fails | self.kills
        return [number + 1 for number in numbers if number % 10 not in lost]

    def step(self) -> Any:
        return step(
            "work", fn=self, executor="process", max_in_flight=self.bound, idempotent=self.idempotent, on_error="skip"
        )


digits = st.frozensets(st.integers(0, 9), max_size=2)
works = st.builds(Work, digits, digits, st.integers(1, 5), st.booleans())


@step(max_in_flight=30)  # as many as there are: what is zipped is not in step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def joined(left: Work, right: Work) -> Pipeline[[int, str], Stream[Any]]:
    """Two steps beside each other, and one behind."""

    @pipeline
    def joined(count: int, folder: str) -> Stream[Any]:
        found = numbers(count)
        lefts, rights = found.map(left.step(), folder, "left"), found.map(right.step(), folder, "right")
        pairs = zip_streams(lefts, rights, fill=0)
        return pairs.starmap(lambda left, right: left * 100 + right).map(left.step(), folder, "behind")

    return joined


@given(works, works, st.integers(0, 30), st.sampled_from(RUNNERS), st.none() | st.integers(0, 5))
@examples(0.02)
def test_workers_that_are_killed_take_what_they_must_and_nothing_else(
    left: Work, right: Work, count: int, runner: Runner, items: int | None
) -> None:
    given = list(range(count))
    lefts, rights = left.expected(given), right.expected(given)
    length = max(len(lefts), len(rights))
    padded = [[*each, *[0] * (length - len(each))] for each in (lefts, rights)]
    expected = left.expected([one * 100 + other for one, other in zip(*padded, strict=True)])
    line = joined(left, right)
    with TemporaryDirectory() as folder:
        if items is None:
            assert runner(line, count, folder) == expected
        else:
            with line.iter(count, folder) as found:
                assert list(islice(found, items)) == expected[:items]
    assert not multiprocessing.active_children()
