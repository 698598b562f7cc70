"""Runs in several places, all of them in threads of this process, so that the whole kit of guarantees can look on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from headrace import DeadlockError, Event, Limit, RunStarted, Stream, pipeline, resource, step, stream, zip_streams
from headrace.drivers.places.far import FarRun
from headrace.drivers.places.messages import News
from headrace.graph.sections import CALLER, Link, Section, sections
from headrace.testing import check_guarantees
from tests.far.loopback import FAR, Near, far, far_attempt, far_run

OTHERWISE = {  # tests of which something is not so in several places, and why; their names, or the beginnings of them
    "test_1_3_bound_above_one_takes_effect": "the consumer goes on while the producer is topped up",
    "test_1_6_nothing_is_asked_without_a_space": "the same",
    "test_12_3_streams_are_topped_up_before_an_item_is_handed_over": "the same",
    "test_1_5_producer_is_closed_when_every_branch_is": "soon, but not before the last consumer goes on",
    "test_5_2_plain_steps_run_on_the_callers_thread": "steps run elsewhere",
    "test_8_5_plain_resource_is_entered_and_left_in_the_thread_of_the_caller": "it is where it is used",
    "test_8_1_and_8_2_entered_before_any_step_and_left_after_all_are_closed[far-2-": "each place has one of its own",
    "test_8_1_one_that_takes_the_value_of_a_step_is_entered_when_that_is_there[far-2-": "each place has one of its own",
    "test_8_2_and_8_3_left_after_a_failure_and_told_of_it[far-2-": "each place has one of its own",
    "test_12_1_streams_take_turns_where_nobody_has_to_wait": "streams are merged as they come",
    "test_12_1_order_is_the_same_under_every_runner_where_all_is_plain": "streams are merged as they come",
    "test_12_1_any_object_is_merged": "streams are merged as they come",
    "test_13_1_two_async_steps_share_their_calls_at_once": "items may come too slowly for two calls at once",
    "test_14_1_a_step_ends_before_those_begin_that_need_its_value": "the order of news of two places is chance",
    "test_4_4_a_thousand_": "a thousand threads take their time",
    "test_12_5_merges_of_a_thousand_streams_work": "a thousand threads take their time",
}


def test_guarantees_hold_in_several_places() -> None:
    chosen = f"far and not ({' or '.join(OTHERWISE)})"  # the others say nothing about this way to run
    assert check_guarantees({"far": FAR}, "-q", "-k", chosen) == 0


@step(max_in_flight=2)
def numbers(count: int) -> Any:
    yield from range(count)


def test_stages_that_hand_over_directly_are_in_one_section() -> None:
    @pipeline
    def line(count: int) -> Stream[Any]:
        return zip_streams(numbers(count).map(str), stream([1, 2]).map(abs)).map(len)

    first, second = sections(line.dag, {})
    assert first.own == ("line/numbers",)
    assert second.own == ("line/str", "line/stream", "line/abs", "line/zip", "line/len")
    assert second.reads == (Link("line/numbers", False, 1),)
    assert second.feeds == (Link("line/len", False, CALLER),)


def test_node_with_a_place_shares_it_with_its_like_only() -> None:
    line = (numbers | step("a", fn=str) | step("b", fn=len) | step("c", fn=abs)).dag
    together = sections(line, {"numbers_to_c/b": "gpu", "numbers_to_c/c": "gpu"})
    assert [part.own for part in together] == [
        ("numbers_to_c/numbers",),
        ("numbers_to_c/a",),
        ("numbers_to_c/b", "numbers_to_c/c"),
    ]
    assert [part.place for part in together] == [None, None, "gpu"]


def test_resource_is_made_where_it_is_used() -> None:
    def client() -> Any:
        return object()

    @step(max_in_flight=2)
    def use(number: int, client: Any) -> int:
        return number

    @pipeline
    def using(count: int) -> tuple[list[int], list[int]]:
        made = resource(client)
        return numbers(count).map(use, made).collect(), numbers(count).map(use, made).collect()

    owners = [part.number for part in sections(using.dag, {}) if "using/client" in part.own]
    assert len(owners) == 2
    assert far(using, 3) == ([0, 1, 2], [0, 1, 2])


def test_deadlock_has_the_text_that_it_has_in_one_place() -> None:
    @pipeline
    def locked(count: int) -> Stream[Any]:
        found = numbers(count)
        return zip_streams(found.batched(4), found)

    texts = []
    for run in (locked.run, lambda count: far(locked, count)):
        with pytest.raises(DeadlockError) as caught:
            run(9)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_deadlock_is_found_among_steps_that_have_a_limit() -> None:
    api = Limit(concurrency=1, rate="10000/s")
    limited = step("limited", fn=abs, limit=api, executor="thread", max_in_flight=2)

    @pipeline
    def locked(count: int) -> Stream[Any]:
        found = numbers(count).map(limited)
        return zip_streams(found.batched(4), found.map(limited))

    with pytest.raises(DeadlockError, match=r"^every stage waits for another: step 'locked/batched'"):
        far(locked, 9)
    assert not api.gate(None)._running


def test_report_adds_up_what_all_places_counted() -> None:
    result, report = far_run(numbers | step("same", fn=abs, max_in_flight=3) | str, 10, counting=True)
    assert result == [str(number) for number in range(10)]
    assert [(node.items_in, node.items_out) for node in report.nodes] == [(0, 10), (10, 10), (10, 10)]
    assert [edge.taken for edge in report.edges] == [10, 10, 10]
    assert all(1 <= edge.highest_in_flight <= most for edge, most in zip(report.edges, (2, 3, 1), strict=True))


def test_run_can_be_looked_at_while_it_goes_on_in_all_places() -> None:
    lives: list[Any] = []
    seen: list[dict[str, tuple[str, int]]] = []

    @step(max_in_flight=3)
    def same(number: int) -> int:
        if number == 5:
            snapshot = lives[0].snapshot()
            seen.append({node.id: (node.state, node.max_in_flight) for node in snapshot.nodes})
            assert 6 <= snapshot.node("numbers_to_str/numbers").items_out <= 10
        return number

    def watch(event: Event) -> None:
        if isinstance(event, RunStarted):
            lives.append(event.live)

    line = numbers | same | step("str", fn=str)
    assert far(line, 10, counting=True, observers=[watch]) == [str(number) for number in range(10)]
    [states] = seen
    assert [*states] == ["numbers_to_str/numbers", "numbers_to_str/same", "numbers_to_str/str"]
    assert states["numbers_to_str/same"] == ("running", 3)


def test_failure_of_one_place_ends_all() -> None:
    @step(max_in_flight=2)
    def failing(number: int) -> int:
        raise ValueError(number)

    with pytest.raises(ValueError, match="0") as caught:
        far(numbers | failing | step("same", fn=abs, max_in_flight=3) | str, 1_000_000)
    assert len(caught.value.__notes__) == 1


class Late(Near):
    """Tells the caller of the end of a stream only when `heard` is set."""

    def __init__(self, codec: Any, heard: threading.Event) -> None:
        super().__init__(codec)
        self.heard = heard

    def pull(self, run: int, link: Link, *arguments: Any) -> Any:
        def answer() -> Any:
            first, items, ended, valid = wait()
            assert link.reader != CALLER or ended is None or self.heard.wait(20)
            return first, items, ended, valid

        wait = super().pull(run, link, *arguments)
        return answer


def test_failure_because_of_another_is_a_note_on_it_behind_the_items_before(monkeypatch: pytest.MonkeyPatch) -> None:
    @step(max_in_flight=3)
    def source() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            raise LookupError("while closing")

    @step(max_in_flight=3)
    def checked(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    def hear(run: FarRun, part: Section, news: News) -> None:
        hears(run, part, news)
        if news.kind == "failed":
            heard.set()

    heard, hears = threading.Event(), FarRun._heard
    monkeypatch.setattr(FarRun, "_heard", hear)
    line = source | step("between", fn=abs, max_in_flight=3) | checked
    got: list[int] = []
    with (
        far_attempt(line, place=lambda codec, step: Late(codec, heard)) as run,
        pytest.raises(ValueError, match="three") as caught,
    ):
        got.extend(run.items())
    assert caught.value.__notes__[1:] == ["headrace: then LookupError: while closing"]
    assert got == [0, 1, 2]
