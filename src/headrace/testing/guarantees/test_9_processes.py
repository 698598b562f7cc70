"""Section 9 of the guarantees."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import Retry, Stream, UnpicklableError, WorkerError, pipeline, step, stream
from headrace.testing import Meter

pytest.importorskip("cloudpickle")

Run = Callable[..., Any]
forks: bool = "fork" in multiprocessing.get_all_start_methods()
unix: pytest.MarkDecorator = pytest.mark.skipif(not forks, reason="needs fork, signals and named pipes")
pytestmark: pytest.MarkDecorator = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


@pytest.fixture(autouse=True)
def _two_quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers whatever the machine, and started in the way that takes the least time."""
    monkeypatch.setenv("HEADRACE_START_METHOD", "fork" if forks else "spawn")
    monkeypatch.setattr("headrace.drivers.processes.cores", lambda: 2)


@pytest.fixture
def pipes(tmp_path: Path) -> Pipes:
    return Pipes(tmp_path)


class Pipes:
    """Named pipes: who opens one end waits for who opens the other, in whatever process."""

    def __init__(self, folder: Path) -> None:
        self.paths: list[Path] = [folder / "there", folder / "back"]
        for path in self.paths:
            os.mkfifo(path)

    def meet(self, side: int) -> int:
        """Come back when the other side is here too."""
        for path, mode in zip(self.paths, ("rb", "wb") if side else ("wb", "rb"), strict=True):
            with path.open(mode):
                pass
        return side


class Calls:
    """The items that were called for, in whatever process, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, item: object) -> None:
        with self.path.open("a") as file:
            file.write(f"{item}\n")

    @property
    def all(self) -> list[str]:
        return self.path.read_text().split() if self.path.exists() else []


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    return Calls(tmp_path / "calls")


def run_script(text: str, folder: Path, method: str) -> subprocess.CompletedProcess[str]:
    """What a script prints until it, and every process that it has started, are gone."""
    script = folder / "script.py"
    script.write_text(text)
    environment = {**os.environ, "HEADRACE_START_METHOD": method, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run([sys.executable, script], env=environment, text=True, capture_output=True, check=False)


each_method: pytest.MarkDecorator = pytest.mark.parametrize(
    "method", [m for m in ("fork", "spawn") if forks or m == "spawn"]
)


def in_process(function: Callable[..., Any], **options: Any) -> Any:
    return step(executor="process", **options)(function)


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step(executor="process", max_in_flight=4)
def doubled(number: int) -> int:
    return number * 2


def plain(number: int) -> int:
    return number * 2


@step(executor="process")
@functools.cache
def cached(number: int) -> int:
    return number * 2


class Doubling:
    def __call__(self, number: int) -> int:
        return number * 2


factor = 2
FUNCTIONS: dict[str, Any] = {
    "decorated": doubled,
    "decorated twice": cached,
    "plain": in_process(plain),
    "lambda": in_process(lambda number: number * 2, name="twice"),
    "closure": in_process((lambda factor: lambda number: number * factor)(2), name="twice"),
    "partial": in_process(functools.partial(lambda a, b: a * b, 2), name="twice"),
    "that uses a step": in_process(lambda number: doubled(number), name="twice"),
    "that uses a global": in_process(lambda number: number * factor, name="twice"),
    "built-in": in_process((2).__mul__, name="twice"),
    "object": in_process(Doubling(), name="twice"),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_9_1_any_function_can_be_called_in_a_worker(run_pipeline: Run, function: Any) -> None:
    assert run_pipeline(numbers | function, 5) == [0, 2, 4, 6, 8]


def test_9_1_calls_are_not_made_in_this_process(run_pipeline: Run) -> None:
    assert os.getpid() not in run_pipeline(numbers | in_process(lambda number: os.getpid(), name="pid"), 3)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("bound", [1, 2, 7, 64])
def test_9_1_bound_and_order_are_those_of_any_calls_that_overlap(run_pipeline: Run, bound: int, ordered: bool) -> None:
    meter = Meter()
    source = step("source", fn=lambda: meter.producing(range(200)))
    work = doubled.options(max_in_flight=bound, ordered=ordered)

    @step
    def received(items: Iterator[int]) -> list[int]:
        return list(meter.taking(items))

    @pipeline
    def line() -> list[int]:
        return received(stream(source()).map(work))

    results = run_pipeline(line)
    assert sorted(results) == list(range(0, 400, 2))
    assert results == list(range(0, 400, 2)) or not ordered
    assert meter.highest == bound


@unix
def test_9_1_calls_overlap(run_pipeline: Run, pipes: Pipes) -> None:
    meet = in_process(lambda number: pipes.meet(number % 2), name="meet", max_in_flight=2)
    assert run_pipeline(numbers | meet, 6) == [0, 1] * 3


@unix
def test_9_1_workers_go_on_while_the_run_is_busy(
    run_pipeline: Run, pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the first result in hand, a plain step holds the run's own thread until the third call is made."""
    monkeypatch.setattr("headrace.drivers.processes.cores", lambda: 1)
    monkeypatch.setattr("headrace.drivers.processes.TOGETHER", 0.0)
    work = in_process(lambda number: pipes.meet(0) + 2 if number == 2 else number, name="work", max_in_flight=3)

    @step
    def received(items: Iterator[int]) -> list[int]:
        return [pipes.meet(1) if item == 0 else item for item in items]

    assert run_pipeline(numbers | work | received, 4) == [1, 1, 2, 3]


def test_9_1_concurrency_caps_the_calls(run_pipeline: Run) -> None:
    pid = in_process(lambda number: os.getpid(), name="pid", max_in_flight=8, concurrency=1)
    assert len(set(run_pipeline(numbers | pid, 30))) == 1


def test_9_1_filters_filter(run_pipeline: Run) -> None:
    @pipeline
    def some() -> Stream[int]:
        return stream(range(100)).filter(in_process(lambda number: number % 10 == 0, name="keep", max_in_flight=4))

    assert run_pipeline(some) == list(range(0, 100, 10))


def test_9_1_items_and_results_are_any_objects(run_pipeline: Run) -> None:
    class Local:
        def __init__(self, number: int) -> None:
            self.number = number

    @pipeline
    def line() -> list[Any]:
        return stream(range(3)).map(Local).map(in_process(lambda item: item, name="same")).collect()

    results = run_pipeline(line)
    assert [type(result) for result in results] == [Local] * 3
    assert [result.number for result in results] == [0, 1, 2]
    error = ValueError("an item")
    same = in_process(lambda number: error, name="error")
    assert repr(run_pipeline(numbers | same, 1)) == "[ValueError('an item')]"


def test_9_1_context_variable_is_there_without_its_value(run_pipeline: Run) -> None:
    local = contextvars.ContextVar("local", default="default")
    missing: contextvars.ContextVar[int] = contextvars.ContextVar("missing")
    token = local.set("mine")
    try:
        assert run_pipeline(numbers | in_process(lambda _: local.get(), name="local"), 1) == ["default"]
    finally:
        local.reset(token)
    with pytest.raises(LookupError) as caught:
        run_pipeline(numbers | in_process(lambda _: missing.get(), name="missing"), 1)
    assert caught.value.args == (missing,)


def test_9_1_step_that_is_called_once_may_run_in_a_worker(run_pipeline: Run) -> None:
    where = in_process(lambda items, *, more: (len(items), more, os.getpid()), name="where")

    @pipeline
    def once(items: list[int]) -> tuple[int, int, int]:
        return where(stream(items).collect(), more=3)  # type: ignore[no-any-return]

    length, more, pid = run_pipeline(once, [1, 2])
    assert (length, more) == (2, 3)
    assert pid != os.getpid()


@unix
def test_9_5_lost_call_that_is_made_once_is_made_again(run_pipeline: Run, calls: Calls) -> None:
    def work(number: int) -> int:
        calls.add(number)
        if len(calls.all) == 1:
            die()
        return number

    once = in_process(work, idempotent=True)
    assert run_pipeline(once, 5) == 5
    with pytest.raises(WorkerError) as caught:
        run_pipeline(in_process(lambda number: die(), name="dies"), 5)
    assert " failed; path dies/dies" in caught.value.__notes__[0]


@each_method
def test_9_1_function_of_a_file_that_cannot_be_imported_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("HEADRACE_START_METHOD", method)
    (tmp_path / "some_file.py").write_text(
        "class Pair(tuple): pass\n"
        "def with_next(number): return Pair((number, number + 1))\n"
        "def work(number): return with_next(number)\n"
    )
    spec = importlib.util.spec_from_file_location("some_file", tmp_path / "some_file.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "some_file", module)
    spec.loader.exec_module(module)
    results = (numbers | in_process(module.work)).run(2)
    assert results == [(0, 1), (1, 2)]
    assert {type(result) for result in results} == {module.Pair}


def test_9_1_function_of_a_module_is_imported_and_not_copied(run_pipeline: Run) -> None:
    Heavy.packed = 0
    assert run_pipeline(numbers | uses_heavy, 3) == [0, 1, 2]
    assert Heavy.packed == 0


class Heavy:
    """Counts how often it is packed here, and notes each process that unpacks it."""

    packed: int = 0

    def __init__(self, calls: Calls | None = None) -> None:
        self.calls = calls

    def __reduce__(self) -> Any:
        Heavy.packed += 1
        return unpacked, (self.calls,)


def unpacked(calls: Calls) -> Heavy:
    calls.add(os.getpid())
    return Heavy(calls)


heavy: Heavy = Heavy()


@step(executor="process")
def uses_heavy(number: int) -> int:
    assert heavy
    return number


def test_9_1_what_every_call_is_given_goes_to_each_worker_once(run_pipeline: Run, calls: Calls) -> None:
    work = in_process(lambda number, heavy: number, name="work", max_in_flight=4)

    @pipeline
    def line() -> list[int]:
        return stream(range(50)).map(work, Heavy(calls)).collect()

    Heavy.packed = 0
    assert run_pipeline(line) == list(range(50))
    assert Heavy.packed == 1
    assert 1 <= len(calls.all) == len(set(calls.all)) <= 2


SCRIPT = """
from dataclasses import dataclass
from headrace import step

@dataclass
class Point:
    x: int

class Odd(Exception):
    pass

def helper(number):
    return Point(number + 1)

@step(executor="process", max_in_flight=3)
def point(number: int) -> Point:
    return helper(number)

@step(executor="process")
def even(point: Point) -> int:
    if point.x % 2:
        raise Odd(point)
    return point.x

@step
def numbers(given: list[int]):
    yield from given

print((numbers | point).run([1, 2]))
print((numbers | point | even | (lambda number: number * 10)).run([1, 3]))
try:
    (numbers | point | even).run([2])
except Odd as error:
    print(error)
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_9_2_functions_and_classes_of_the_main_script_work_and_it_is_not_run_again(tmp_path: Path, method: str) -> None:
    done = run_script(SCRIPT, tmp_path, method)
    assert (done.stderr, done.stdout) == ("", "[Point(x=2), Point(x=3)]\n[20, 40]\nPoint(x=3)\n")


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_9_2_every_start_method_of_python_works(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setenv("HEADRACE_START_METHOD", method)
    twice = in_process(lambda number: number * 2, name="twice", max_in_flight=4)
    assert (numbers | twice).run(20) == list(range(0, 40, 2))
    assert asyncio.run((numbers | twice).arun(20)) == list(range(0, 40, 2))


def test_9_2_unknown_start_method_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_START_METHOD", "spork")
    with pytest.raises(WorkerError, match=r"^HEADRACE_START_METHOD: must be one of .*spawn.*, got 'spork'; correct it"):
        (numbers | doubled).run(3)


# -- what cannot be pickled --------------------------------------------------------------------------------


class Unloadable(Exception):
    """Can be pickled, but not unpickled, like many exceptions."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


class Locked(Exception):
    def __init__(self) -> None:
        super().__init__("locked")
        self.lock: threading.Lock = threading.Lock()


def raise_(error: BaseException) -> Any:
    raise error


lock: threading.Lock = threading.Lock()
UNPICKLABLE: dict[str, tuple[Any, str]] = {
    "function": (
        (lambda lock: lambda number: lock)(lock),
        "give it what can (resource(..., scope='item') is made there), or use executor='thread'",
    ),
    "result": (
        lambda number: threading.Lock(),
        "its result, lock, cannot be pickled to come back from a worker process",
    ),
    "exception that cannot be unpickled": (
        lambda number: raise_(Unloadable(1, 2)),
        "raised Unloadable, which cannot be pickled",
    ),
    "exception that cannot be pickled": (lambda number: raise_(Locked()), "raised Locked, which cannot be pickled"),
}


@pytest.mark.parametrize(("function", "text"), UNPICKLABLE.values(), ids=UNPICKLABLE.keys())
def test_9_3_what_cannot_be_pickled_is_named(run_pipeline: Run, function: Any, text: str) -> None:
    line = numbers | in_process(function, name="work", max_in_flight=3)
    with pytest.raises(UnpicklableError, match=r"^step 'work' ") as caught:
        run_pipeline(line, 3)
    assert text in str(caught.value)
    assert caught.value.__notes__[-1].startswith("headrace: step 'work'")
    assert " failed at item 1; path " in caught.value.__notes__[-1]
    assert not multiprocessing.active_children()


def test_9_3_item_that_cannot_be_pickled_is_named(run_pipeline: Run) -> None:
    @pipeline
    def line() -> list[Any]:
        return stream([1, 2, lock, 4]).map(in_process(lambda item: item, name="same", max_in_flight=3)).collect()

    with pytest.raises(UnpicklableError, match="its item, lock, cannot be pickled to go to a worker process") as caught:
        run_pipeline(line)
    assert " failed at item 3; path line/same" in caught.value.__notes__[-1]


def test_9_3_message_of_an_exception_that_cannot_be_pickled_is_kept(run_pipeline: Run) -> None:
    with pytest.raises(UnpicklableError, match="its message is: 1 and 2") as caught:
        run_pipeline(numbers | in_process(UNPICKLABLE["exception that cannot be unpickled"][0], name="work"), 3)
    assert "in raise_" in "".join(caught.value.__notes__)


# -- exceptions --------------------------------------------------------------------------------------------


class Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.reason = "closed"


def refuse(number: int) -> int:
    if number == 2:
        try:
            raise KeyError("cause")
        except KeyError as cause:
            error = Refused(number)
            error.reason = "full"
            error.add_note("mine")
            raise error from cause
    return number


def test_9_4_original_exception_reaches_the_caller(run_pipeline: Run) -> None:
    with pytest.raises(Refused) as caught:
        run_pipeline(numbers | in_process(refuse, max_in_flight=3), 9)
    error = caught.value
    assert (error.args, error.reason, repr(error.__cause__)) == ((2,), "full", "KeyError('cause')")
    mine, remote, note = error.__notes__
    assert mine == "mine"
    assert remote.startswith("headrace: raised in a worker process:\nTraceback (most recent call last):\n")
    assert "in refuse" in remote
    package = str(Path(headrace.__file__).parent)
    assert package not in remote.replace(str(Path(package, "testing")), "")
    assert note.startswith("headrace: step 'refuse' (")
    assert note.endswith(" failed at item 3; path numbers_to_refuse/refuse")


class Reduced(Exception):
    def __reduce__(self) -> Any:
        return Reduced, self.args


def test_9_4_notes_are_kept_whatever_the_exception_is_pickled_as(run_pipeline: Run) -> None:
    def work(number: int) -> None:
        error = Reduced(number)
        error.add_note("mine")
        raise error

    with pytest.raises(Reduced) as caught:
        run_pipeline(numbers | in_process(work), 1)
    assert caught.value.__notes__[0] == "mine"


def test_9_4_failure_comes_behind_what_was_made_before() -> None:
    received = []
    with pytest.raises(Refused):
        for item in (numbers | in_process(refuse, max_in_flight=5)).iter(9):
            received.append(item)
    assert received == [0, 1]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, StopIteration, GeneratorExit])
def test_9_4_any_exception_is_a_failure(run_pipeline: Run, kind: Any) -> None:
    with pytest.raises(RuntimeError if kind is StopIteration else kind):
        run_pipeline(numbers | in_process(lambda number: raise_(kind("mine")), name="work"), 9)


# -- workers that die --------------------------------------------------------------------------------------


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@unix
def test_9_5_killed_worker_is_reported(run_pipeline: Run) -> None:
    work = in_process(lambda number: die() if number == 4 else number, name="work", max_in_flight=3)
    with pytest.raises(WorkerError) as caught:
        run_pipeline(numbers | work, 9)
    text = str(caught.value)
    assert text.startswith("step 'work' (")
    assert text.endswith(
        "): must give a result, got a worker process that was killed by signal 9 (SIGKILL); if it may be called again "
        "for an item, add idempotent=True"
    )
    assert " failed at item 5; path " in caught.value.__notes__[0]
    assert not multiprocessing.active_children()


def test_9_5_worker_that_exits_is_reported(run_pipeline: Run) -> None:
    work = in_process(lambda number: os._exit(3), name="work", max_in_flight=3)
    with pytest.raises(WorkerError, match="got a worker process that ended with exit code 3; if"):
        run_pipeline(numbers | work, 9)


class Fatal:
    """Whoever unpickles it dies."""

    def __reduce__(self) -> Any:
        return os._exit, (4,)

    def __call__(self, number: int) -> int:
        return number


def test_9_5_function_that_ends_every_worker_is_given_up(run_pipeline: Run) -> None:
    with pytest.raises(WorkerError, match="got 3 worker processes that died, the last one ended with exit code 4"):
        run_pipeline(numbers | in_process(Fatal(), name="work", max_in_flight=2, idempotent=True), 3)


@unix
@pytest.mark.parametrize("bound", [1, 30])
def test_9_5_lost_call_of_an_idempotent_step_is_made_again_and_no_other(
    run_pipeline: Run, calls: Calls, bound: int
) -> None:
    def work(number: int) -> int:
        first = str(number) not in calls.all
        calls.add(number)
        if number in (5, 11) and first:
            die()
        return number

    again = in_process(work, max_in_flight=bound, idempotent=True)
    assert run_pipeline(numbers | again, 20) == list(range(20))
    assert sorted(calls.all, key=int) == sorted([*map(str, range(20)), "5", "11"], key=int)


@unix
def test_9_5_call_that_kills_every_worker_is_given_up(run_pipeline: Run, calls: Calls) -> None:
    def work(number: int) -> int:
        if number == 3:
            calls.add(number)
            die()
        return number

    with pytest.raises(WorkerError, match="got 3 worker processes that died, the last one was killed by signal 9"):
        run_pipeline(numbers | in_process(work, max_in_flight=4, idempotent=True), 9)
    assert calls.all == ["3"] * 3


@unix
def test_9_5_lost_call_and_one_that_fails_are_made_again_if_retry_says_so(run_pipeline: Run, calls: Calls) -> None:
    def work(number: int) -> int:
        calls.add(number)
        made = calls.all.count(str(number))
        if number == 5 and made == 1:
            die()
        if number % 4 == 0 and made < 3:
            raise ConnectionError(number)
        return number

    again = Retry(on=(WorkerError, ConnectionError), attempts=3, wait_initial=0.001, wait_jitter=0)
    line = numbers | in_process(work, max_in_flight=4, retry=again)
    assert run_pipeline(line, 9) == list(range(9))
    assert Counter(calls.all) == {"0": 3, "1": 1, "2": 1, "3": 1, "4": 3, "5": 2, "6": 1, "7": 1, "8": 3}


def test_9_8_call_that_was_ended_is_made_again_if_retry_says_so(run_pipeline: Run, calls: Calls) -> None:
    def work(number: int) -> int:
        calls.add(number)
        if calls.all.count(str(number)) <= number:
            forever()
        return number

    again = Retry(on=TimeoutError, attempts=2, wait_initial=0.001, wait_jitter=0)
    line = numbers | in_process(work, max_in_flight=2, timeout=0.3, retry=again, on_error="skip")
    assert run_pipeline(line, 3) == [0, 1]
    assert Counter(calls.all) == {"0": 1, "1": 2, "2": 2}


@unix
def test_9_5_other_steps_and_other_runs_go_on(run_pipeline: Run, calls: Calls) -> None:
    """A step loses a worker at every third item; a step beside it, and the runs within that, do not notice."""

    def work(number: int) -> int:
        first = str(number) not in calls.all
        calls.add(number)
        if number % 3 == 0 and first:
            die()
        return number

    @step
    def beside(items: Iterator[int]) -> list[int]:
        return [(step("one", fn=one) | doubled).run(item)[0] for item in items]

    @pipeline
    def line() -> tuple[list[int], list[int]]:
        items = numbers(6)
        again = in_process(work, max_in_flight=3, idempotent=True)
        return items.map(again).collect(), beside(items.map(doubled))

    assert run_pipeline(line) == (list(range(6)), [number * 4 for number in range(6)])


def one(number: int) -> Iterator[int]:
    yield number


# -- ends --------------------------------------------------------------------------------------------------


def forever() -> None:
    threading.Event().wait()


def is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def first_forever_behind(pipes: Pipes, calls: Calls) -> Any:
    """The first two calls meet; then the first gives a result and the second never does."""

    def work(number: int) -> int:
        calls.add(os.getpid())
        pipes.meet(number % 2)
        if number == 1:
            forever()
        return number

    return in_process(work, max_in_flight=2)


@unix
def test_9_6_early_break_ends_running_calls_and_workers(pipes: Pipes, calls: Calls) -> None:
    threads = threading.active_count()
    with (numbers | first_forever_behind(pipes, calls)).iter(2) as items:
        assert next(items) == 0
    assert not multiprocessing.active_children()
    assert not [pid for pid in calls.all if is_alive(pid)]
    assert threading.active_count() == threads


@unix
def test_9_6_failure_ends_running_calls_and_workers(run_pipeline: Run, pipes: Pipes, calls: Calls) -> None:
    threads = threading.active_count()

    @step
    def fails(items: Iterator[int]) -> None:
        raise ValueError(next(items))

    with pytest.raises(ValueError, match="0"):
        run_pipeline(numbers | first_forever_behind(pipes, calls) | fails, 2)
    assert not multiprocessing.active_children()
    assert not [pid for pid in calls.all if is_alive(pid)]
    assert threading.active_count() == threads


@unix
def test_9_6_step_whose_consumer_has_finished_is_ended_alone(run_pipeline: Run, pipes: Pipes, calls: Calls) -> None:
    work = first_forever_behind(pipes, calls)

    @step
    def first(items: Iterator[int]) -> int:
        return next(items)

    @step
    def after(first: int, items: Iterator[int]) -> list[int]:
        return [first, *items]

    @pipeline
    def line() -> list[int]:
        return after(first(numbers(2).map(work)), numbers(5).map(doubled))

    assert run_pipeline(line) == [0, 0, 2, 4, 6, 8]
    assert not [pid for pid in calls.all if is_alive(pid)]


@unix
def test_9_6_cancelled_arun_ends_running_calls_and_workers(pipes: Pipes, calls: Calls) -> None:
    async def main() -> None:
        work = first_forever_behind(pipes, calls)
        task = asyncio.create_task((numbers.options(name="one") | work).arun(1))
        await asyncio.to_thread(pipes.meet, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not multiprocessing.active_children()

    asyncio.run(main())
    assert calls.all
    assert not [pid for pid in calls.all if is_alive(pid)]


SUSPENDED = """
from headrace import step
@step
def numbers():
    yield from range(100)
items = (numbers | step("same", fn=lambda number: number, executor="process", max_in_flight=8)).iter()
print(next(items))
"""


@each_method
def test_9_6_run_that_was_left_suspended_does_not_hold_up_the_end_of_python(tmp_path: Path, method: str) -> None:
    assert run_script(SUSPENDED, tmp_path, method).stdout == "0\n"


KILLED = """
import os, signal, threading
from headrace import step
@step
def numbers():
    yield from range(100)
def work(number):
    if number:
        threading.Event().wait()
    return number
for _ in (numbers | step("work", fn=work, executor="process", max_in_flight=8)).iter():
    os.kill(os.getpid(), signal.SIGKILL)
"""


@unix
@each_method
def test_9_6_workers_end_when_the_process_that_started_them_is_killed(tmp_path: Path, method: str) -> None:
    assert run_script(KILLED, tmp_path, method).returncode == -signal.SIGKILL


def test_9_6_infinite_source_can_be_left(run_pipeline: Run) -> None:
    @step
    def some(items: Iterator[int]) -> list[int]:
        return list(islice(items, 10))

    assert run_pipeline(step("source", fn=count) | doubled.options(max_in_flight=30) | some) == list(range(0, 20, 2))
    assert not multiprocessing.active_children()


@unix
def test_9_6_loop_goes_on_while_calls_run(pipes: Pipes) -> None:
    """The call comes back only when the loop has met it."""

    async def main() -> list[int]:
        task: asyncio.Task[list[int]] = asyncio.create_task((numbers | in_process(pipes.meet, name="meet")).arun(1))
        await asyncio.to_thread(pipes.meet, 1)
        return await task

    assert asyncio.run(main()) == [0]


def test_9_6_run_within_a_call_works(run_pipeline: Run) -> None:
    inner = numbers | in_process(lambda number: number + 1, name="plus_one", max_in_flight=2)
    outer = in_process(lambda number: sum(inner.run(number)), name="outer")
    assert run_pipeline(numbers | outer, 4) == [0, 1, 3, 6]


# -- calls that travel together ----------------------------------------------------------------------------


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls each message to a worker had."""
    from headrace.drivers.processes import Worker

    monkeypatch.setattr("headrace.drivers.processes.TOGETHER", 1.0)  # so that a loaded machine makes no difference
    sizes: list[int] = []
    take = Worker.take

    def taking(worker: Worker, pool: Any, jobs: Any) -> Any:
        sizes.append(len(jobs))
        return take(worker, pool, jobs)

    monkeypatch.setattr(Worker, "take", taking)
    return sizes


def test_9_7_short_calls_travel_together(run_pipeline: Run, together: list[int]) -> None:
    assert run_pipeline(numbers | doubled.options(max_in_flight=64), 500) == list(range(0, 1000, 2))
    assert sum(together) == 500
    assert 1 < max(together) <= 32


def test_9_7_long_calls_do_not(run_pipeline: Run, together: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.drivers.processes.TOGETHER", 0.001)

    def work(number: int) -> int:
        begun = time.perf_counter()
        while time.perf_counter() - begun < 0.001:
            pass
        return number

    assert run_pipeline(numbers | in_process(work, max_in_flight=16), 30) == list(range(30))
    assert together == [1] * 30


@unix
def test_9_7_no_result_waits_for_a_call_that_travels_with_it(
    run_pipeline: Run, together: list[int], pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker is given several calls at once; one of them comes back only when the result before it was received."""
    monkeypatch.setattr("headrace.drivers.processes.cores", lambda: 1)
    work = in_process(lambda number: pipes.meet(0) if number == 5 else number, name="work", max_in_flight=8)

    @step
    def received(items: Iterator[int]) -> list[int]:
        return [pipes.meet(1) if item == 4 else item for item in items]

    assert run_pipeline(numbers | work | received, 8) == [0, 1, 2, 3, 1, 0, 6, 7]
    assert together == [1, 7]


def test_9_1_missing_extra_is_named(run_pipeline: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    for name in ("pickling", "worker", "processes"):
        monkeypatch.delitem(sys.modules, f"headrace.drivers.{name}", raising=False)
    with pytest.raises(WorkerError, match=r"needs 'cloudpickle', which is not installed; pip install 'headrace\[proc"):
        run_pipeline(numbers | doubled, 3)


# -- calls that take too long ------------------------------------------------------------------------------


def test_9_8_call_that_takes_too_long_is_ended(run_pipeline: Run, calls: Calls) -> None:
    def work(number: int) -> int:
        if number == 3:
            calls.add(os.getpid())
            forever()
        return number

    line = numbers | in_process(work, max_in_flight=4, timeout=0.2)
    with pytest.raises(TimeoutError) as caught:
        run_pipeline(line, 9)
    where = line.dag.node("numbers_to_work/work").where
    assert str(caught.value) == (
        f"step 'work' ({where}): must give a result within timeout=0.2 seconds, got none; the call was ended"
    )
    assert caught.value.__notes__[0].endswith(" failed at item 4; path numbers_to_work/work")
    if forks:
        assert not [pid for pid in calls.all if is_alive(pid)]


def test_9_8_other_calls_go_on(run_pipeline: Run) -> None:
    work = in_process(
        lambda number: forever() if number in (3, 4) else number,
        name="work",
        max_in_flight=8,
        timeout=0.2,
        on_error="skip",
    )
    assert run_pipeline(numbers | work, 20) == [number for number in range(20) if number not in (3, 4)]


def test_9_8_call_that_is_made_once_is_ended_too(run_pipeline: Run) -> None:
    with pytest.raises(TimeoutError, match=r"within timeout=0\.1 seconds"):
        run_pipeline(in_process(lambda number: forever(), name="once", timeout=0.1), 1)
