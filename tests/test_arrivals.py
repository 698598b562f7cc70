"""What takes items as they come, without a run: merges, batches in time, and the stages that they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace import Stream, merge, pipeline, step, stream
from headrace.engine.arrivals import Arriving, AtHand, batches_in_time, merged
from headrace.engine.channel import Channel
from headrace.engine.outcome import Failed
from headrace.testing import ScriptedClock


class Scripted:
    """A driver whose waits do, one after the other, what the test says."""

    def __init__(self, *waits: Callable[[], object]) -> None:
        self.clock = ScriptedClock()
        self.log: list[Any] = []
        self.waits = list(waits)

    def wait_any(self, places: Any, until: float | None = None) -> None:
        self.log.append((len(list(places)), until))
        self.waits.pop(0)()

    def wait(self, waiting: Any, reason: object) -> None:
        self.wait_any([(waiting, reason)])

    def give_way(self) -> bool:
        self.log.append("gave way")
        return False


def arriving(driver: Any, capacity: int = 1, asked: Callable[[], None] = lambda: None) -> tuple[Channel, Arriving]:
    channel = Channel(capacity, branches=1)
    return channel, Arriving(channel.branches[0], asked, driver)


def put(channel: Channel, *items: Any) -> None:
    for item in items:
        assert channel.reserve()
        channel.put(item)


# -- merge ---------------------------------------------------------------------------------------------------


def test_inputs_at_hand_take_turns() -> None:
    inputs = [AtHand(iter("abc")), AtHand(iter("")), AtHand(iter("x"))]
    assert list(merged(inputs, Scripted())) == ["a", "x", "b", "c"]  # type: ignore[arg-type]


def test_merge_waits_for_all_inputs_at_once_and_only_when_none_has_an_item() -> None:
    driver: Any = Scripted(lambda: put(right, "r1"), lambda: (left.end(), right.end()))
    left, one = arriving(driver)
    right, other = arriving(driver)
    put(left, "l1")
    assert list(merged([one, other], driver)) == ["l1", "r1"]
    assert driver.log == [(2, None), (2, None)]


def test_merge_gives_way_before_it_passes_over_an_input_that_waits() -> None:
    driver: Any = Scripted(lambda: left.end())
    left, one = arriving(driver)
    items = merged([one, AtHand(iter("ab"))], driver)
    assert [next(items), next(items)] == ["a", "b"]
    assert driver.log == ["gave way", "gave way"]
    assert list(items) == []


def test_merge_asks_all_inputs_before_each_item() -> None:
    log: list[str] = []
    left, one = arriving(None, 2, lambda: log.append("left"))
    right, other = arriving(None, 2, lambda: log.append("right"))
    put(left, 1, 2)
    put(right, 3)
    items = merged([one, other], Scripted())  # type: ignore[arg-type]
    assert log == []
    assert [next(items), next(items)] == [1, 3]
    assert log == ["left", "right", "right", "left"]


def test_failure_of_an_input_comes_behind_its_own_items() -> None:
    channel, one = arriving(None)
    put(channel, 1)
    channel.end(Failed(ValueError("no more")))
    items = merged([one, AtHand(iter("ab"))], Scripted())  # type: ignore[arg-type]
    assert [next(items), next(items)] == [1, "a"]
    with pytest.raises(ValueError, match="no more"):
        next(items)


# -- batches in time -----------------------------------------------------------------------------------------


def test_batch_waits_for_its_first_item_without_end_and_for_the_others_until_its_time() -> None:
    driver: Any = Scripted(
        lambda: put(channel, 1),
        lambda: (driver.clock.advance(4), put(channel, 2)),
        lambda: driver.clock.advance(6),
        lambda: channel.end(),
    )
    channel, items = arriving(driver)
    assert list(batches_in_time(items, 3, 10, driver.clock)) == [(1, 2)]
    assert driver.log == [(1, None), (1, 10.0), (1, 10.0), (1, None)]


def test_item_that_is_there_when_it_is_time_is_left_for_the_next_batch() -> None:
    driver: Any = Scripted(lambda: (driver.clock.advance(10), put(channel, 2)), lambda: channel.end())
    channel, items = arriving(driver)
    put(channel, 1)
    assert list(batches_in_time(items, 3, 10, driver.clock)) == [(1,), (2,)]


# -- stages --------------------------------------------------------------------------------------------------


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def stages(flow: Any) -> dict[str, str]:
    return {stage.nodes[-1]: f"{stage.handoff}{', fiber' if stage.fiber else ''}" for stage in flow.dag.stages}


def test_inputs_of_a_merge_that_never_wait_are_pulled() -> None:
    @pipeline
    def body(count: int) -> Stream[int]:
        return merge(numbers(count).map(abs), numbers.options(max_in_flight=3)(count), stream([1]))

    assert list(stages(body).values()) == ["direct", "channel", "direct", "direct"]


def test_inputs_of_a_merge_that_may_have_to_wait_have_a_fiber_each() -> None:
    @pipeline
    def body(count: int) -> Stream[int]:
        found = numbers(count)
        return merge(found, found.map(abs), numbers(found.collect(sum)))  # type: ignore[arg-type]

    assert stages(body) == {
        "body/numbers": "channel",
        "body/abs": "channel, fiber",
        "body/sum": "value",
        "body/numbers#2": "channel, fiber",
        "body/merge": "direct",
    }


def test_batch_with_a_timeout_is_a_stage_of_its_own_behind_what_may_have_to_wait() -> None:
    @pipeline
    def body(count: int) -> Stream[tuple[int, ...]]:
        found = numbers(count)
        return merge(
            found.map(abs).batched(2, timeout=1), found.map(abs).batched(2), numbers(count).batched(2, timeout=1)
        )

    assert [stage.nodes for stage in body.dag.stages][1:-1] == [
        ("body/abs",),
        ("body/batched",),
        ("body/abs#2", "body/batched#2"),
        ("body/numbers#2", "body/batched#3"),
    ]


def test_timeout_is_in_the_dag_where_there_is_one() -> None:
    @pipeline
    def body(count: int) -> Stream[tuple[tuple[int, ...], ...]]:
        return numbers(count).batched(2).batched(3, timeout=0.5)

    given = [[(entry.parameter, getattr(entry, "value", None)) for entry in node.inputs] for node in body.dag.nodes]
    assert given[2:] == [[("items", None), ("n", "2")], [("items", None), ("n", "3"), ("timeout", "0.5")]]
