"""Where stages meet: a port fills a channel, taps empty it.

Lives here: the loops that ask a producer while its channel has room, and the loop that takes. Must not live here:
how much room there is (channel.py), what is asked (lines.py), how a wait is done (the driver).

A consumer drives: it asks the port before each item that it takes, so that the producer is topped up before the item
is handed over, and nothing runs that nobody waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from headrace.engine.channel import Branch, Channel
from headrace.engine.outcome import END, Ended, Failed, Outcome, Value
from headrace.engine.window import Slot, Window
from headrace.graph.dag import Node, Program

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints

__all__ = [
    "Answer",
    "Asked",
    "Calling",
    "Clock",
    "Driver",
    "Fiber",
    "LateTap",
    "Pool",
    "Port",
    "Puller",
    "Timer",
    "call_elsewhere",
    "fill",
    "receive",
    "resume_elsewhere",
    "tap",
]

Blamed = Callable[[BaseException], None]
Settle = Callable[[Slot, Any], Callable[[Value | Failed], None]]
Open = Callable[[Callable[[Iterator[Any]], Any]], Any]  # given how to read an input there, the iterator to be run


class Fiber(Protocol):
    """Code that can wait by itself."""

    def resume(self) -> None:
        """Let it run now, and go on when it waits or is over."""
        ...

    def kill(self) -> None:
        """Raise Stopped where it waits, and return when it is over."""
        ...


class Calling(Protocol):
    """Makes the calls of one step elsewhere."""

    def submit(self, call: Callable[[Any], Any], item: Any, done: Callable[[Value | Failed], None]) -> None:
        """Have `call(item)` run elsewhere; return when it has begun, or waits for a worker process.

        `call` is the same each time. `done` is called in the run's own thread.
        """
        ...


class Pool(Calling, Protocol):
    """Threads, worker processes or tasks for the calls of one step."""

    elsewhere: float  # seconds that its calls took where only it can tell: in other processes

    def stop(self) -> None:
        """Cancel the calls that can be cancelled, and do not wait for them."""
        ...


class Puller(Protocol):
    """A generator that runs in a thread or a task of its own."""

    @property
    def live(self) -> bool:
        """Whether it has yet to say that it is over."""
        ...

    def ask(self) -> None:
        """Have the generator resumed once more."""
        ...

    def stop(self) -> None:
        """Have the generator closed, and do not wait for it."""
        ...


class Clock(Protocol):
    """What the engine asks for the time."""

    def now(self) -> float:
        """The time in seconds, since a moment that does not change."""
        ...


class Timer(Protocol):
    """Something to be done at a time."""

    def cancel(self) -> None:
        """It is not to be done any more."""
        ...


class Driver(Protocol):
    """Whoever waits. The engine itself never does."""

    near: bool  # whether tasks run in the run's own thread

    @property
    def clock(self) -> Clock:
        """What the times below are measured with."""
        ...

    @property
    def given_clock(self) -> Clock | None:
        """The clock that the run was given, whose time is scripted."""
        ...

    def shared_now(self) -> float:
        """The time in seconds, since a moment that is the same for all runs. Safe to use from threads."""
        ...

    def utc(self) -> datetime:
        """The date and time, in UTC."""
        ...

    def begin(self) -> None:
        """The run begins, here and now."""
        ...

    def wait(self, waiting: list[Callable[[], object]], reason: object) -> None:
        """Leave a wake-up call in `waiting` and wait; may return early, so look again."""
        ...

    def waiter(self, waiting: list[Callable[[], object]], reason: object) -> Callable[[bool], None]:
        """For the fiber that calls this: a function that does that same wait, again and again.

        It takes whether those who are in `waiting` are to go on first.
        """
        ...

    def wait_any(self, places: Iterable[tuple[list[Callable[[], object]], object]], until: float | None = None) -> None:
        """Leave a wake-up call, with a reason, in each of these lists, and wait for the first; at most `until`.

        May return early.
        """
        ...

    def give_way(self) -> bool:
        """Let everyone else go on who can, and come back without waiting. Tells whether there was anyone."""
        ...

    def turn(self) -> None:
        """If the run is in an event loop, let that go on for a moment; whoever calls goes on next in the run."""
        ...

    def timer(self, when: float, call: Callable[[], object]) -> Timer:
        """Have `call` called in the run's own thread when it is `when` on the clock, unless it is cancelled before."""
        ...

    def spawn(self, function: Callable[[], None]) -> Fiber:
        """A fiber that runs `function` when it is first resumed."""
        ...

    def start(self, function: Callable[[], None]) -> Fiber:
        """A fiber that runs `function` as soon as it is its turn."""
        ...

    def run_until(self, done: Callable[[], bool]) -> None:
        """Let fibers take turns until `done`."""
        ...

    def stop(self) -> None:
        """Stop every fiber and everything elsewhere but what is lasting, and wait for them."""
        ...

    def read_until(self, done: Callable[[], bool]) -> None:
        """When all but what is lasting is stopped: do what messages say until `done`."""
        ...

    def close(self) -> None:
        """End the threads, which have nothing to do any more."""
        ...

    def sleep(self) -> None:
        """Wait to be resumed."""
        ...

    def pool(self, node: Node) -> Pool:
        """Threads, worker processes, or tasks, as the node says, for its calls."""
        ...

    def puller(
        self,
        open: Open,
        done: Callable[[Outcome], None],
        heard: Callable[[], None],
        failed: Blamed,
        label: str,
        *,
        in_task: bool,
        lasting: bool = False,
    ) -> Puller:
        """A thread for one generator, or a task for one async stage. What is `lasting` outlives the others.

        `open` is called there. In the run's own thread `done` gets each outcome, `heard` is called at each sign of
        life, and `failed` gets what closing the generator raised.
        """
        ...

    def post(self, message: Callable[[], None]) -> None:
        """Have `message` called in the run's own thread."""
        ...

    def expect(self, messages: int) -> None:
        """So many more messages will come without anything else happening first."""
        ...

    def in_time(self, function: Callable[..., Any], step: str, seconds: float) -> Callable[..., Any]:
        """An async function that ends a call of `function` that takes longer."""
        ...

    def inner(
        self, program: Program, arguments: Mapping[str, Any], in_task: bool, checkpoints: Checkpoints | None
    ) -> Any:
        """What a run of its own gives: the result, or an iterator of a stream's items. In a task, their async kinds."""
        ...


class Asked(Protocol):
    """A port, or what stands in its place where the producer is far away."""

    @property
    def source(self) -> Iterator[Any] | None:
        """What gives the items, if that never waits."""
        ...

    @property
    def ask(self) -> Callable[[], None]:
        """Top the channel up, as far as that is possible without waiting."""
        ...

    def stop(self) -> None:
        """Nobody wants any more."""
        ...


class Port:
    """The producer's side of one channel.

    `pump` asks for as many items as there is room for. With a fiber it runs there, so that only the fiber waits if
    the source has to.
    """

    __slots__ = ("channel", "driver", "fiber", "idle", "pump", "source", "works")

    def __init__(
        self,
        channel: Channel,
        pump: Callable[[], None],
        driver: Driver,
        *,
        in_fiber: bool = False,
        source: Iterator[Any] | None = None,
        works: Pool | Puller | None = None,
    ) -> None:
        self.channel: Channel = channel
        self.source: Iterator[Any] | None = source  # what `pump` asks, if that never waits
        self.works: Pool | Puller | None = works  # for it elsewhere
        self.pump: Callable[[], None] = pump
        self.driver: Driver = driver
        self.idle: bool = True
        self.fiber: Fiber | None = driver.spawn(self._serve) if in_fiber else None

    def ask(self) -> None:
        """Top the channel up, as far as that is possible without waiting."""
        if self.fiber is None:
            self.pump()
        elif self.idle and self.channel.room():
            self.fiber.resume()

    def stop(self) -> None:
        """Nobody wants any more."""
        if self.fiber is not None:
            self.fiber.kill()
        if self.works is not None:
            self.works.stop()

    def _serve(self) -> None:
        while self.channel.ended is None:
            self.idle = False
            self.pump()
            self.idle = True
            if self.channel.ended is None:
                self.driver.sleep()


def fill(channel: Channel, source: Iterator[Any], failed: Blamed) -> None:
    """Ask `source` for items while every branch has room."""
    while channel.reserve():
        try:
            item = next(source)
        except StopIteration:
            channel.release()
            channel.end()
        except Exception as error:
            channel.release()
            failed(error)
            channel.end(Failed(error))
        else:
            channel.put(item)


def call_elsewhere(
    window: Window,
    source: Iterator[Any],
    pool: Calling,
    call: Callable[[Any], Any],
    settle: Settle,
    failed: Blamed,
) -> None:
    """Begin a call for every item that the window has a place for."""
    while (slot := window.begin()) is not None:
        window.asking = True
        try:
            item = next(source)
        except StopIteration:
            window.exhausted(slot, END)
        except Exception as error:
            failed(error)
            window.exhausted(slot, Failed(error))
        else:
            window.asking = False
            if window.running > window.concurrency:  # the place that it had was given to a call that was made again
                window.pause()
                window.again(partial(pool.submit, call, item, settle(slot, item)))
            else:
                pool.submit(call, item, settle(slot, item))


def resume_elsewhere(channel: Channel, puller: Puller) -> None:
    """Ask the generator for every item that the channel has room for."""
    while channel.reserve():
        puller.ask()


def receive(channel: Channel, failed: Blamed, outcome: Outcome) -> None:
    """What a generator that was asked for an item has answered."""
    if isinstance(outcome, Value) and channel.ended is None:
        channel.put(outcome.value)
        return
    channel.release()
    if isinstance(outcome, Failed):
        failed(outcome.error)
        channel.end(outcome)
    elif isinstance(outcome, Ended):
        channel.end()


def tap(branch: Branch, ask: Callable[[], None], driver: Driver) -> Iterator[Any]:
    """The items of one branch, for as long as the consumer wants them."""
    channel, items, take = branch.channel, branch.items, branch.take
    wait: Callable[[bool], None] | None = None
    try:
        while True:
            ask()
            if items:
                yield take()
            elif channel.ended is not None:
                break
            else:
                wait = wait or driver.waiter(channel.waiting, branch)
                wait(False)
    finally:
        branch.close()
    channel.raise_failure()


class LateTap:
    """A tap for a consumer in another thread: an item counts as taken when that thread gives its next sign of life.

    Only then is it certain that the consumer's own code has it.
    """

    __slots__ = ("ask", "branch", "driver", "held")

    def __init__(self, branch: Branch, ask: Callable[[], None], driver: Driver) -> None:
        self.branch: Branch = branch
        self.ask: Callable[[], None] = ask
        self.driver: Driver = driver
        self.held: bool = False

    def __iter__(self) -> LateTap:
        return self

    def __next__(self) -> Any:
        self.received()
        channel = self.branch.channel
        self.ask()
        if not self.branch.items and not _comes(self.branch, self.ask, self.driver):
            channel.raise_failure()
            raise StopIteration
        self.held = True
        return self.branch.items[0]

    def received(self) -> None:
        """The thread has given a sign of life."""
        if self.held:
            self.held = False
            if not self.branch.closed:
                self.branch.take()

    def close(self) -> None:
        """The consumer wants no more."""
        self.branch.close()


class Answer:
    """Waits for the one outcome of something elsewhere."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.outcome: Outcome | None = None
        self.waiting: list[Callable[[], object]] = []

    def done(self, outcome: Outcome) -> None:
        """It is there."""
        self.outcome = outcome
        for call in self.waiting:
            call()

    def unwrap(self) -> Any:
        """The value, when it is there. Raises the error, if it failed."""
        while self.outcome is None:
            self.driver.wait(self.waiting, None)
        assert not isinstance(self.outcome, Ended)
        return self.outcome.unwrap()


def _comes(branch: Branch, ask: Callable[[], None], driver: Driver) -> bool:
    """Wait until the branch has an item; False if none comes any more."""
    channel = branch.channel
    while not branch.items:
        if channel.ended is not None:
            return False
        driver.wait(channel.waiting, branch)
        ask()
    return True
