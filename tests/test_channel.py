"""The arithmetic of the bound, without any runner: the whole state after each step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engine.channel import Channel, Split, express
from headrace.engine.outcome import END, Failed, Value
from headrace.engine.policy import Caught
from headrace.engine.window import Window


def state(channel: Channel) -> tuple[int, list[list[Any]], bool]:
    return channel.asking, [list(branch.items) for branch in channel.branches], channel.room()


def test_space_is_reserved_before_an_item_comes() -> None:
    channel = Channel(capacity=2, branches=1)
    assert channel.reserve()
    assert state(channel) == (1, [[]], True)
    assert channel.reserve()
    assert state(channel) == (2, [[]], False)
    assert not channel.reserve()
    channel.put("a")
    assert state(channel) == (1, [["a"]], False)


def test_taking_makes_room() -> None:
    channel = Channel(capacity=1, branches=1)
    assert channel.reserve()
    channel.put("a")
    assert not channel.reserve()
    assert channel.branches[0].take() == "a"
    assert channel.reserve()


def test_slowest_branch_decides() -> None:
    channel = Channel(capacity=2, branches=3)
    for item in "ab":
        assert channel.reserve()
        channel.put(item)
    for branch in channel.branches[:2]:
        assert [branch.take(), branch.take()] == ["a", "b"]
    assert not channel.reserve()
    assert channel.full == [channel.branches[2]]
    channel.branches[2].take()
    assert channel.reserve()
    assert not channel.reserve()


def test_closed_branch_stops_counting_and_gets_nothing() -> None:
    channel = Channel(capacity=1, branches=2)
    quick, slow = channel.branches
    channel.reserve()
    channel.put("a")
    quick.take()
    assert not channel.reserve()
    slow.close()
    assert channel.reserve()
    channel.put("b")
    assert state(channel) == (0, [["b"], []], False)
    assert (slow.taken, quick.taken) == (0, 1)


def test_channel_ends_when_its_last_branch_closes() -> None:
    channel = Channel(capacity=3, branches=2)
    channel.branches[0].close()
    assert channel.ended is None
    channel.branches[1].close()
    assert channel.ended is END
    assert not channel.reserve()


def test_released_space_is_free_again() -> None:
    channel = Channel(capacity=1, branches=1)
    channel.reserve()
    channel.release()
    assert channel.reserve()


def test_ended_channel_keeps_what_waits_in_it() -> None:
    channel = Channel(capacity=3, branches=1)
    channel.reserve()
    channel.put("a")
    channel.end(Failed(ValueError("late")))
    channel.end(END)  # the first end counts
    assert channel.branches[0].take() == "a"
    with pytest.raises(ValueError, match="late"):
        channel.raise_failure()


@pytest.mark.parametrize(
    "change",
    [
        lambda channel: channel.put("b"),
        lambda channel: channel.end(),
        lambda channel: channel.branches[0].take(),
        lambda channel: channel.branches[1].close(),
    ],
    ids=["put", "end", "take", "close"],
)
def test_every_change_wakes_whoever_waits_once(change: Any) -> None:
    channel = Channel(capacity=3, branches=2)
    channel.reserve()
    channel.put("a")
    channel.reserve()
    calls: list[str] = []
    channel.waiting.append(lambda: calls.append("woken"))
    change(channel)
    assert calls == ["woken"]
    channel.wake()
    assert calls == ["woken"]


def test_taking_from_an_empty_branch_is_an_error() -> None:
    with pytest.raises(IndexError):
        Channel(capacity=1, branches=1).branches[0].take()


@given(capacity=st.integers(1, 4), branches=st.integers(1, 4), moves=st.lists(st.integers(0, 9), max_size=60))
def test_no_branch_ever_exceeds_the_capacity(capacity: int, branches: int, moves: list[int]) -> None:
    """Whatever is done in whatever order; counted here by hand."""
    channel = Channel(capacity, branches)
    asked = put = 0
    taken = [0] * branches
    for move in moves:
        index = move % branches
        branch = channel.branches[index]
        if move < 4:
            may = channel.ended is None and all(
                asked - taken[other] < capacity for other in range(branches) if not channel.branches[other].closed
            )
            assert channel.reserve() is may
            asked += may
        elif move < 7 and put < asked and channel.ended is None:
            channel.put(put)
            put += 1
        elif move < 9 and branch.items:
            assert branch.take() == taken[index]
            taken[index] += 1
        elif move == 9:
            branch.close()
        for one in channel.branches:
            assert one.closed or one.in_flight <= capacity
    for number, one in enumerate(channel.branches):
        assert one.taken == taken[number]
        assert one.peak <= capacity


def test_express_asks_as_often_as_there_is_room() -> None:
    log: list[str] = []

    def source() -> Any:
        for number in range(5):
            log.append(f"made {number}")
            yield number

    channel = Channel(capacity=3, branches=1)
    for item in express(channel.branches[0], source(), log.append, lambda: pytest.fail("waits")):  # type: ignore[arg-type]
        log.append(f"took {item}")
    assert log == [
        *("made 0", "made 1", "made 2", "took 0", "made 3", "took 1", "made 4"),
        *("took 2", "took 3", "took 4"),
    ]


def test_split_channel_stores_each_item_on_its_side() -> None:
    channel = Split(capacity=2, failures=[False, True, False])
    found, failed, also_found = channel.branches
    for item in ("a", Caught("b"), "c"):  # type: ignore[arg-type]
        assert channel.reserve()
        channel.put(item)
    assert [list(branch.items) for branch in channel.branches] == [["a", "c"], ["b"], ["a", "c"]]
    assert not channel.room()
    assert (found.take(), also_found.take(), channel.room(), failed.in_flight) == ("a", "a", True, 1)
    found.close()
    also_found.close()
    assert [failed.taken, found.taken, also_found.taken] == [0, 1, 1]
    assert channel.reserve()
    assert channel.reserve() is False  # one failure waits, and what is asked for may be another
    failed.close()
    assert channel.ended is END


def test_express_of_one_in_flight_asks_when_every_branch_has_taken() -> None:
    log: list[object] = []

    def source() -> Iterator[object]:
        for number in range(3):
            log.append(f"made {number}")
            yield number

    channel = Channel(capacity=1, branches=3)
    first, *others = channel.branches

    def wait(others_first: bool) -> None:
        log.append(f"another took {others[0].take()}")
        if len(others) == 2 and log[-1] == "another took 1":
            others.pop(0).close()
        others.reverse()

    for item in express(first, source(), log.append, lambda: wait):
        log.append(f"took {item}")
    assert log == [
        *("made 0", "took 0", "another took 0", "another took 0"),
        *("made 1", "took 1", "another took 1", "another took 1"),  # the first of them takes no more
        *("made 2", "took 2", "another took 2"),
    ]
    assert [branch.highest for branch in channel.branches] == [1, 1, 1]
    assert sorted(branch.taken for branch in channel.branches) == [2, 3, 3]


def test_express_of_results_asks_while_there_is_room_for_a_failure() -> None:
    log: list[object] = []

    def source() -> Iterator[object]:
        for number in range(6):
            log.append(f"made {number}")
            yield Caught(number) if number % 2 else number  # type: ignore[arg-type]

    channel = Split(capacity=2, failures=[False, True])
    found, failed = channel.branches

    def wait(others_first: bool) -> None:
        log.append(f"failed {failed.take()}")

    for item in express(found, source(), log.append, lambda: wait):
        log.append(f"took {item}")
    assert log == [
        *("made 0", "made 1", "made 2", "took 0", "made 3", "took 2", "failed 1", "made 4", "made 5", "took 4"),
        "failed 3",  # to see the end, there must be room for one more
    ]
    assert (list(failed.items), channel.produced, channel.caught, found.peak) == ([5], 3, 3, 2)


def test_window_keeps_results_in_order_and_failures_in_their_place() -> None:
    channel = Channel(capacity=4, branches=1)
    window = Window(channel, concurrency=4, ordered=True)
    slots = [window.begin() for _ in range(4)]
    assert window.begin() is None
    window.settle(slots[2], Failed(ValueError("third")))  # type: ignore[arg-type]
    window.settle(slots[3], Value("d"))  # type: ignore[arg-type]
    window.settle(slots[1], None)  # type: ignore[arg-type]  # dropped by a filter
    assert (list(channel.branches[0].items), channel.ended) == ([], None)
    window.settle(slots[0], Value("a"))  # type: ignore[arg-type]
    assert list(channel.branches[0].items) == ["a"]
    assert isinstance(channel.ended, Failed)


def test_window_hands_over_as_completed_when_unordered() -> None:
    channel = Channel(capacity=3, branches=1)
    window = Window(channel, concurrency=2, ordered=False)
    first, second = window.begin(), window.begin()
    assert window.begin() is None  # two are running
    window.settle(second, Value("b"))  # type: ignore[arg-type]
    third = window.begin()
    assert window.begin() is None  # three are in flight
    window.exhausted(third, END)  # type: ignore[arg-type]
    assert channel.ended is None  # one is still running
    window.settle(first, Value("a"))  # type: ignore[arg-type]
    assert list(channel.branches[0].items) == ["b", "a"]
    assert channel.ended is END
