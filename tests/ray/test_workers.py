"""Worker actors: those of steps with executor="process"."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import RayRunner, Retry, Stream, WorkerError, pipeline, step, stream
from headrace.drivers.places.messages import Crew
from headrace.graph.sections import sections
from tests.ray.test_killed import until


@step(max_in_flight=4)
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def said(log: str) -> list[str]:
    return Path(log).read_text().split() if os.path.exists(log) else []


def say(log: str, word: object) -> None:
    with open(log, "ab", buffering=0) as file:
        file.write(f"{word}\n".encode())


def is_alive(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def line_of(work: Any) -> Any:
    @pipeline
    def line(count: int, log: str) -> Stream[Any]:
        return numbers(count).map(work, log)

    return line


def where(number: int) -> tuple[int, int]:
    return number, os.getpid()


@step
def with_own(items: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    for number, pid in items:
        yield number, pid, os.getpid()


@pytest.mark.parametrize("bound", [1, 30])
def test_calls_are_made_in_actors_of_their_own_in_order(runner: RayRunner, bound: int) -> None:
    found = runner.execute(numbers | step("where", fn=where, max_in_flight=bound, executor="process") | with_own, 60)
    assert [number for number, _, _ in found.result] == list(range(60))
    workers = {pid for _, pid, _ in found.result}
    assert 1 <= len(workers) <= min(2, bound)
    assert not workers & {os.getpid(), *(pid for _, _, pid in found.result)}
    assert found.report.node("numbers_to_with_own/where").items_out == 60


def test_filters_and_steps_that_are_called_once_have_workers_too(runner: RayRunner) -> None:
    @pipeline
    def both(count: int) -> tuple[list[int], int]:
        even = step("even", fn=lambda number: number % 2 == 0, executor="process", max_in_flight=3)
        chosen = stream(range(9)).filter(even).collect()
        return chosen, step("worker", fn=lambda count: os.getpid(), executor="process")(count)

    chosen, worker = runner.execute(both, 9).result
    assert chosen == [0, 2, 4, 6, 8]
    assert worker != os.getpid()


def failing(number: int, log: str) -> int:
    say(log, number)
    if number == 20:
        raise LookupError(number)
    return number


def test_failure_comes_behind_the_items_that_travelled_before_it(runner: RayRunner, log: str) -> None:
    got = []
    with pytest.raises(LookupError, match="20") as caught:
        for item in runner.iter(line_of(step("failing", fn=failing, executor="process", max_in_flight=16)), 40, log):
            got.append(item)
    assert got == list(range(20))
    assert any(" failed at item 21; path " in note for note in caught.value.__notes__)


def dies_once(number: int, log: str) -> int:
    first = str(number) not in said(log)
    say(log, number)
    if number in (5, 31) and first:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("options", [{"idempotent": True}, {"retry": Retry(on=WorkerError, wait_initial=0.001)}])
def test_call_of_a_killed_worker_is_made_again_and_no_other(
    runner: RayRunner, log: str, options: dict[str, Any]
) -> None:
    work = step("work", fn=dies_once, executor="process", max_in_flight=30, **options)  # so that calls go together
    run = runner.execute(line_of(work), 40, log)
    assert run.result == list(range(40))
    assert Counter(said(log)) == Counter([*map(str, range(40)), "5", "31"])
    assert run.report.node("line/work").retried == (2 if "retry" in options else 0)


def dies(number: int, log: str) -> int:
    say(log, number)
    os._exit(3)


def test_call_that_kills_every_worker_is_given_up(runner: RayRunner, log: str) -> None:
    work = step("dies", fn=dies, executor="process", idempotent=True)
    with pytest.raises(WorkerError, match=r"got 3 worker processes that died, the last one died \(The actor") as caught:
        runner.execute(line_of(work), 3, log)
    assert "look for what this item does" in str(caught.value)
    assert said(log) == ["0"] * 3


def hangs(number: int, log: str) -> int:
    say(log, os.getpid())
    if number == 2:
        threading.Event().wait()
    return number


def test_call_that_takes_too_long_is_ended_with_its_worker(runner: RayRunner, log: str) -> None:
    work = step("hangs", fn=hangs, executor="process", max_in_flight=2, timeout=3, on_error="skip")
    assert runner.execute(line_of(work), 5, log).result == [0, 1, 3, 4]
    until(lambda: not [pid for pid in said(log) if is_alive(pid)])


def test_workers_have_ended_when_a_run_is_left_early(runner: RayRunner, log: str) -> None:
    with runner.iter(line_of(step("hangs", fn=hangs, executor="process", max_in_flight=4)), 9, log) as items:
        assert next(items) == 0
    assert said(log)
    until(lambda: not [pid for pid in said(log) if is_alive(pid)])


def test_workers_end_with_the_actor_that_has_them(runner: RayRunner, log: str) -> None:
    @step
    def kill_this(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            os.kill(os.getpid(), signal.SIGKILL)
            yield item

    @pipeline
    def line(log: str) -> Stream[int]:
        return kill_this(stream(range(9)).map(step("hangs", fn=hangs, executor="process"), log))

    with pytest.raises(WorkerError, match="must run to its end, got an actor that died"):
        runner.execute(line, log)
    assert said(log)
    until(lambda: not [pid for pid in said(log) if is_alive(pid)])


def test_steps_share_the_cpus_of_the_cluster(runner: RayRunner) -> None:
    one, two, three = (step(name, fn=abs, executor="process", max_in_flight=4) for name in ("one", "two", "three"))
    assert runner.execute(numbers | one | two | three, 40).result == list(range(40))


def test_each_step_has_a_worker_and_gets_more_in_turn() -> None:
    from headrace.drivers.places.ray_workers import crews

    def worker(name: str, most: int) -> Any:
        return step(name, fn=abs, executor="process", max_in_flight=most)

    parts = sections((numbers | worker("one", 8) | worker("two", 2) | worker("three", 4)).dag, {})
    one, two, three = (part.number for part in parts[1:])
    most = {number: crew.most for number, crew in crews(parts, {}, {"CPU": 8}).items()}
    assert most == {one: 3, two: 2, three: 3}
    assert crews(parts, {}, {"CPU": 1.5}) == {
        one: Crew(1, {}),
        two: Crew(1, {"num_cpus": 0}),
        three: Crew(1, {"num_cpus": 0}),
    }
    gpu = {"numbers_to_three/one": "one"}
    parts = sections((numbers | worker("one", 8) | worker("two", 2) | worker("three", 4)).dag, gpu)
    options = {"one": {"num_gpus": 1}}
    assert crews(parts, options, {"CPU": 99, "GPU": 2})[one] == Crew(2, {"num_gpus": 1})
    with pytest.raises(
        WorkerError, match=r"step 'one' .*: needs 1 GPU for a worker, got a cluster of which .* leave 0;"
    ):
        crews(parts, options, {"CPU": 99})


def test_options_of_a_step_are_those_of_its_workers(runner: RayRunner) -> None:
    both = RayRunner(options={"where": {"num_cpus": 2}})
    work = step("where", fn=where, executor="process", max_in_flight=8)
    assert len({pid for _, pid in both.execute(numbers | work, 50).result}) == 1


def cpus(number: int) -> float:
    import ray

    held: float = ray.get_runtime_context().get_assigned_resources().get("CPU", 0.0)
    return held


@pytest.mark.usefixtures("runner")  # which has started Ray
def test_actor_that_is_kept_for_a_step_with_workers_is_not_taken_where_it_has_none() -> None:
    """It does without what the options ask for, which its workers have."""
    with RayRunner("local", options={"work": {"num_cpus": 1}}) as keeping:
        for executor in ("process", "inline"):
            work: Any = step("work", fn=cpus, executor=executor)
            assert [*keeping.execute(numbers | work, 3).result] == [1.0] * 3
