"""Both ends of a limit that is kept elsewhere, without anything between them."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import Limit
from headrace.drivers.sync import Hub
from headrace.engine.kept import Asking, Asks, Keeping, Over, Pauses, line_of
from headrace.engine.limit_line import NearLine, Waiting
from headrace.graph.limit import kept_by


class Ends:
    """One place that asks for a limit; what it says, and which of its calls have begun."""

    def __init__(self, limit: Limit) -> None:
        self.said: list[Any] = []
        self.begun: list[str] = []
        self.hub = Hub()
        self.asking = Asking([limit.key], self.said.append)
        token = kept_by.set(self.asking)
        self.line = line_of(limit, self.hub)
        kept_by.reset(token)

    def enter(self, name: str, owner: object = None) -> Waiting:
        call = Waiting(name, 1.0, 0.0, lambda permit: self.begun.append(name), self._fail, owner)
        self.line.enter(call)
        return call

    def _fail(self, error: Exception) -> None:
        self.begun.append(str(error))

    def read(self) -> None:
        while not self.hub.mail.empty():
            self.hub.mail.get()()


@pytest.fixture
def limit() -> Limit:
    return Limit(concurrency=1)


def test_calls_begin_in_the_order_of_the_answers_however_these_come(limit: Limit) -> None:
    ends = Ends(limit)
    for name in ("one", "two", "three"):
        ends.enter(name)
    for place, number in ((2, 3), (0, 1), (1, 2)):
        ends.asking.told(place, number, "")
    ends.read()
    assert ends.begun == ["one", "two", "three"]


def test_call_that_is_given_up_is_said_to_be_over_once_and_never_begins(limit: Limit) -> None:
    ends = Ends(limit)
    given_up, _, late = ends.enter("one"), ends.enter("two", owner="a pool"), ends.enter("three")
    ends.line.give_up(given_up)
    ends.line.drop("a pool")
    for place in range(3):
        ends.asking.told(place, place + 1, "")
    ends.line.give_up(late)  # its answer is there, and not read yet
    ends.read()
    assert ends.begun == []
    assert [what for what in ends.said if isinstance(what, Over)] == [Over(1), Over(2), Over(3)]
    assert not ends.asking.running
    assert ends.hub.expected == 0


def test_call_that_never_may_begin_fails_with_the_reason(limit: Limit) -> None:
    ends = Ends(limit)
    ends.enter("one")
    ends.asking.told(0, 1, "never")
    ends.read()
    assert ends.begun == ["never"]


def test_what_others_keep_is_paused_there(limit: Limit) -> None:
    ends = Ends(limit)
    token = kept_by.set(ends.asking)
    limit.pause(3)
    kept_by.reset(token)
    assert ends.said == [Pauses(limit.key, 3)]
    assert limit.gate(None)._paused < 0


def test_limit_that_nobody_keeps_is_near(limit: Limit) -> None:
    token = kept_by.set(Asking([], lambda what: None))
    assert isinstance(line_of(limit, Hub()), NearLine)
    kept_by.reset(token)


def test_calls_of_two_places_begin_in_the_order_in_which_they_ask(limit: Limit) -> None:
    answers: list[tuple[int, int, int, str]] = []
    hub = Hub()
    keeping = Keeping({limit.key: limit}, hub, lambda *answer: answers.append(answer))

    def asks(number: int, *held_up: int, again: bool = False) -> Asks:
        return Asks(number, limit.key, "step", 1.0, again, held_up)

    def over(place: int, number: int) -> None:
        keeping.told(place, Over(number))
        while not hub.mail.empty():
            hub.mail.get()()

    keeping.told(0, asks(1))
    keeping.told(1, asks(1))
    keeping.told(0, asks(2))
    keeping.told(1, asks(2, again=True))
    over(0, 2)  # it is not wanted any more
    over(0, 2)
    over(0, 1)
    over(1, 2)
    assert answers == [(0, 0, 1, ""), (1, 0, 2, ""), (1, 1, 1, "")]
    keeping.told(1, asks(3, 1))  # the one that runs waits for it
    assert answers[3][:3] == (1, 2, 3)
    assert answers[3][3].startswith("step: waits for <limit '1 at once'>, whose calls wait for this one")
    keeping.close()
    gate = limit.gate(None)
    assert not gate._running
    assert not gate._waiting
