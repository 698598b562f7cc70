"""Limits that are kept in one place for the calls that are made in others: both ends.

A run in several places has its limits kept where it was started: there the `Limit` is that of all runs of the program.
Elsewhere a call that needs one asks, waits until it is told that it may begin, and says when it is over. All that wait
are asked for at once, so a way there and back costs a call some time, and not each call after the other. Who keeps a
limit has one line for the run, in the order in which calls come from everywhere; its clock decides.

A call that waits is told by itself: because of a time, or because a call that is running ends. So where one waits, that
is no deadlock, as where it waits for a limit near by, and nobody counts these messages. The exception is known here, as
there: calls whose end waits for one that asks are told with it (`held_up`).

Lives here: what is asked and answered. Must not live here: how it is sent, threads.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial

import msgspec

from headrace.engine.limit_line import Line, NearLine, Waiting
from headrace.engine.ports import Driver
from headrace.errors import DeadlockError
from headrace.graph.dag import Program
from headrace.graph.limit import Limit, Permit, kept_by

__all__ = ["Asking", "Keeping", "Told", "limits_of", "line_of"]


class Asks(msgspec.Struct, frozen=True):
    """A call of `step` that waits for the limit `key`; `again` says that it is made again.

    `held_up` are the numbers of calls that have begun and that cannot be over before it is.
    """

    number: int
    key: str
    step: str
    cost: float
    again: bool
    held_up: tuple[int, ...]


class Over(msgspec.Struct, frozen=True):
    """A call is over, or is not to begin any more."""

    number: int


class Pauses(msgspec.Struct, frozen=True):
    """No call is to begin for so many seconds."""

    key: str
    seconds: float


Told = Asks | Over | Pauses


def line_of(limit: Limit, driver: Driver) -> Line:
    """The line of a run for `limit`, wherever that is kept."""
    asking = kept_by.get()
    return (
        FarLine(limit, driver, asking)
        if isinstance(asking, Asking) and asking.keeps(limit)
        else NearLine(limit, driver)
    )


def limits_of(program: Program) -> dict[str, Limit]:
    """All limits of a program, and of what it runs per item, by their keys."""
    found = {limit.key: limit for limit in program.limits.values()}
    for inner in program.inner.values():
        found.update(limits_of(inner))
    return found


# -- where calls are made ----------------------------------------------------------------------------------------


class FarPermit(Permit):
    """A call that runs, and its number."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number: int = number


class FarLine(Line):
    """The calls of one run that wait for a limit that is kept elsewhere."""

    def __init__(self, limit: Limit, driver: Driver, asking: Asking) -> None:
        super().__init__(limit, driver)
        self.asking = asking
        self.calls: dict[int, Waiting] = {}  # by number

    def enter(self, call: Waiting) -> None:
        """One more call, which is begun when it is its turn."""
        self.driver.expect(1)
        self.calls[self.asking.ask(self, call)] = call

    def came(self, number: int, answer: FarPermit | str) -> None:
        """The answer to a call: that it may begin, or why it never will."""
        call = self.calls.pop(number, None)
        if call is None:  # it was given up meanwhile, and that was said
            return
        self.driver.expect(-1)
        if isinstance(answer, str):
            call.fail(DeadlockError(answer))
        else:
            call.permit = answer
            call.begin(answer)

    def leave(self, permit: Permit) -> None:
        """A call is over. Safe to use from threads."""
        assert isinstance(permit, FarPermit)
        self.asking.over(permit.number)

    def give_up(self, call: Waiting) -> None:
        """That call is not to begin; if it may have begun already, it is over."""
        if call.permit is not None:
            self.leave(call.permit)
        else:
            self._drop(lambda each: each is call)

    def drop(self, owner: object) -> None:
        """No call of that pool is to begin."""
        self._drop(lambda call: call.owner is owner)

    def clear(self) -> None:
        """No call is to begin."""
        self._drop(lambda call: True)

    def _drop(self, which: Callable[[Waiting], bool]) -> None:
        for number in [number for number, call in self.calls.items() if which(call)]:
            del self.calls[number]
            self.driver.expect(-1)
            self.asking.over(number)


class Asking:
    """What all lines of one place have in common: `send` brings what they say to who keeps the limits `keys`.

    Safe to use from threads.
    """

    def __init__(self, keys: Iterable[str], send: Callable[[Told], None]) -> None:
        self.keys: frozenset[str] = frozenset(keys)
        self.send = send
        self.lock: threading.Lock = threading.Lock()
        self.numbers: itertools.count[int] = itertools.count(1)
        self.waiting: dict[int, FarLine] = {}  # by the numbers of their calls
        self.running: dict[int, FarPermit] = {}
        self.answers: dict[int, tuple[int, str]] = {}  # by their own numbers: those that have overtaken others
        self.answered: int = 0

    def keeps(self, limit: Limit) -> bool:
        """Whether it is one of those."""
        return limit.key in self.keys

    def pause(self, limit: Limit, seconds: float) -> None:
        """Let no call begin for so many seconds."""
        self.send(Pauses(limit.key, seconds))

    def ask(self, line: FarLine, call: Waiting) -> int:
        """A call waits; gives its number."""
        with self.lock:
            number = next(self.numbers)
            self.waiting[number] = line
            held_up = tuple(each for each, permit in self.running.items() if line.holds_up(permit))
            self.send(Asks(number, line.limit.key, str(call.node), call.cost, call.again, held_up))
            return number

    def over(self, number: int) -> None:
        """A call is over, or is not to begin any more."""
        with self.lock:
            self.waiting.pop(number, None)
            self.running.pop(number, None)
            self.send(Over(number))

    def told(self, place: int, number: int, why_not: str) -> None:
        """The answer with the number `place`, to a call: that it may begin, unless it says why not."""
        with self.lock:
            self.answers[place] = number, why_not
            while self.answered in self.answers:
                self._hand_on(*self.answers.pop(self.answered))
                self.answered += 1

    def _hand_on(self, number: int, why_not: str) -> None:
        line = self.waiting.pop(number, None)
        if line is None:
            return
        answer: FarPermit | str = why_not
        if not why_not:
            answer = self.running[number] = FarPermit(number)
        with suppress(RuntimeError):  # of a run that was left suspended when its event loop was closed
            line.driver.post(partial(line.came, number, answer))


# -- where limits are kept ---------------------------------------------------------------------------------------


class Keeping:
    """Keeps `limits`, by their keys, for one run. `answer` brings answers to a place, by its number: see `Asking.told`.

    It is made where the run is started. Its methods are called in the thread of `driver`, which has time.
    """

    def __init__(
        self, limits: Mapping[str, Limit], driver: Driver, answer: Callable[[int, int, int, str], None]
    ) -> None:
        self.limits = limits
        self.driver = driver
        self.answer = answer
        self.lines: dict[str, NearLine] = {key: NearLine(limit, driver) for key, limit in limits.items()}
        self.calls: dict[tuple[int, int], tuple[NearLine, Waiting]] = {}  # by the numbers of place and call
        self.answers: Counter[int] = Counter()  # by the number of the place

    def told(self, place: int, what: Told) -> None:
        """What a place says."""
        if isinstance(what, Asks):
            self._enter(place, what)
        elif isinstance(what, Over):
            self._over(place, what.number)
        else:
            self.limits[what.key].pause(what.seconds)

    def close(self) -> None:
        """Nobody waits any more, and no call runs."""
        for each in list(self.calls):
            self._over(*each)

    def _enter(self, place: int, asks: Asks) -> None:
        line = self._line(place, asks)
        begin = partial(self._answer, place, asks.number)
        call = Waiting(asks.step, asks.cost, self.driver.shared_now(), begin, begin, again=asks.again)
        self.calls[place, asks.number] = line, call
        line.enter(call)

    def _line(self, place: int, asks: Asks) -> NearLine:
        """That of the run; but a call that others wait for has one of its own, as a run within them has."""
        held_up = [self.calls[place, number][1].permit for number in asks.held_up if (place, number) in self.calls]
        line = self.lines[asks.key]
        if held_up:
            line = NearLine(self.limits[asks.key], self.driver)
            line.above = (*self.lines[asks.key].above, *(permit for permit in held_up if permit is not None))
        return line

    def _answer(self, place: int, number: int, answer: Permit | Exception) -> None:
        why_not = str(answer) if isinstance(answer, Exception) else ""
        if why_not:
            del self.calls[place, number]
        self.answer(place, self.answers[place], number, why_not)
        self.answers[place] += 1

    def _over(self, place: int, number: int) -> None:
        if (place, number) in self.calls:
            line, call = self.calls.pop((place, number))
            line.give_up(call)
