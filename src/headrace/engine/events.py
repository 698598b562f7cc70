"""What observers hear.

All events of one run have the same `run`: the number of the run in this process, from 1.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, get_args

import msgspec

from headrace.engine.report import NodeReport, Report
from headrace.engine.snapshot import Live
from headrace.errors import DeadlockError
from headrace.graph.dag import Dag, Node

__all__ = [
    "ALWAYS",
    "EVENTS",
    "Blocked",
    "CallEnded",
    "CallStarted",
    "DeadlockFound",
    "Event",
    "ItemFailed",
    "ItemRetried",
    "Observer",
    "RunEnded",
    "RunStarted",
    "StepEnded",
    "StepStarted",
    "Unblocked",
]


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A run begins; nothing has been called yet. `live` tells at any time, to any thread, how far it has come.

    >>> from headrace import SyncRunner, step
    >>> def say(event: RunStarted) -> None:
    ...     if isinstance(event, RunStarted):
    ...         print("running", event.dag.name)
    >>> SyncRunner(observers=[say]).execute(step("length", fn=len), "four").result
    running length
    4
    """

    run: int
    dag: Dag
    live: Live


class RunEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A run is over and everything is closed. `failure` is None if it went well; `seconds` is how long it took.

    >>> from headrace import SyncRunner, step
    >>> @step
    ... def number(text: str) -> int:
    ...     return int(text)
    >>> events = []
    >>> try:
    ...     SyncRunner(observers=[events.append]).execute(number, "four")
    ... except ValueError:
    ...     print(type(events[-1].failure).__name__, events[-1].report.node("number/number").items_out)
    ValueError 0
    """

    run: int
    dag: Dag
    report: Report
    failure: BaseException | None
    seconds: float


class StepStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A step begins: its arguments are there, and from now on its code may be called.

    So it is with every node that calls a function of yours; what headrace does between them has no such events.

    >>> from headrace import StepStarted, SyncRunner, step
    >>> events = []
    >>> SyncRunner(observers=[events.append]).execute(step("length", fn=len), "four").result
    4
    >>> [event.node.id for event in events if isinstance(event, StepStarted)]
    ['length/length']
    """

    run: int
    node: Node


class StepEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A step is over: all that it gave has been taken, or nobody wants more. `report` has its counts and seconds.

    Its failures are not in that report: `ItemFailed` has told of each.

    >>> from headrace import StepEnded, SyncRunner, step
    >>> @step
    ... def words(text: str):
    ...     yield from text.split()
    >>> events = []
    >>> SyncRunner(observers=[events.append]).execute(words | len, "to be").result
    [2, 2]
    >>> [(event.node.name, event.report.items_out) for event in events if isinstance(event, StepEnded)]
    [('len', 2), ('words', 2)]
    """

    run: int
    node: Node
    report: NodeReport


class ItemFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A step failed at an item, and what becomes of that: the failure is skipped, caught, or stops the run ("raised").

    `number` is that of the item among those of the step, from 1; None for a step that is not called per item. `item` is
    there for what is skipped or caught. `attempts` is how often the step was called with it. When too many failures,
    as a fraction of all items, stop the run at its end, the last one is told of twice: the second time as "raised".

    >>> from headrace import ItemFailed, SyncRunner, step, stream, pipeline
    >>> @pipeline
    ... def numbers(texts: list[str]):
    ...     return stream(texts).map(step("number", fn=int, on_error="skip"))
    >>> events = []
    >>> SyncRunner(observers=[events.append]).execute(numbers, ["1", "two", "3"]).result
    [1, 3]
    >>> [(event.number, event.item, event.outcome) for event in events if isinstance(event, ItemFailed)]
    [(2, 'two', 'skipped')]
    """

    run: int
    node: Node
    outcome: Literal["skipped", "caught", "raised"]
    exception: Exception
    number: int | None = None
    item: Any = None
    attempts: int = 1


class ItemRetried(msgspec.Struct, frozen=True, kw_only=True):
    """A call failed and is made again for the same item, in so many `seconds`: it was attempt number `attempt`.

    `exception` is None where a tenacity object does not accept the result of a call.

    >>> from headrace import ItemRetried, Retry, SyncRunner, step
    >>> answers = iter([OSError("busy"), "here you are"])
    >>> @step(retry=Retry(on=OSError, wait_initial=0, wait_jitter=0))
    ... def ask(name: str):
    ...     answer = next(answers)
    ...     if isinstance(answer, OSError):
    ...         raise answer
    ...     return answer
    >>> events = []
    >>> SyncRunner(observers=[events.append]).execute(ask, "you").result
    'here you are'
    >>> [(event.attempt, event.exception) for event in events if isinstance(event, ItemRetried)]
    [(1, OSError('busy'))]
    """

    run: int
    node: Node
    item: Any
    attempt: int
    seconds: float
    exception: BaseException | None


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """A step waits: for an item, or for the value, of `source`. `node` is None where the caller of the run waits.

    Told only to observers that ask for it, in `hears`: it may come with every item.

    >>> from headrace import Blocked, SyncRunner, step
    >>> class Waits:
    ...     hears = (Blocked,)
    ...
    ...     def __call__(self, event):
    ...         print(event.node.name if event.node else "the caller", "waits for", event.source.name)
    >>> @step
    ... def words(text: str):
    ...     yield from text.split()
    >>> upper = step("upper", fn=str.upper, executor="thread")
    >>> SyncRunner(observers=[Waits()]).execute(words | upper, "a").result
    the caller waits for upper
    ['A']
    """

    run: int
    node: Node | None
    source: Node


class Unblocked(msgspec.Struct, frozen=True, kw_only=True):
    """A step that waited goes on, if only to look again. Told only to observers that ask for it, as `Blocked` is.

    >>> from headrace import Blocked, SyncRunner, Unblocked, step
    >>> class Waits:
    ...     hears = (Blocked, Unblocked)
    ...
    ...     def __call__(self, event):
    ...         print(type(event).__name__)
    >>> @step
    ... def words(text: str):
    ...     yield from text.split()
    >>> upper = step("upper", fn=str.upper, executor="thread")
    >>> SyncRunner(observers=[Waits()]).execute(words | upper, "a").result
    Blocked
    Unblocked
    ['A']
    """

    run: int
    node: Node | None
    source: Node


class CallStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A function of yours is called for an item, or once: in the thread or task of that call, right before it.

    `call` numbers the calls of the step in the order in which they begin, from 1; one that is made again is one more.
    Of a step in worker processes it is told, in the run's own thread, when the item is given to the workers. Told only
    to observers that ask for it, in `hears`.

    >>> from headrace import CallStarted, SyncRunner, step
    >>> class Calls:
    ...     hears = (CallStarted,)
    ...
    ...     def __call__(self, event):
    ...         print(event.node.name, event.call, event.item)
    >>> @step
    ... def words(text: str):
    ...     yield from text.split()
    >>> SyncRunner(observers=[Calls()]).execute(words | len, "to be").result
    len 1 to
    len 2 be
    [2, 2]
    """

    run: int
    node: Node
    call: int
    item: Any


class CallEnded(msgspec.Struct, frozen=True, kw_only=True):
    """That call has ended, after so many `seconds`, well or with an exception. Told where `CallStarted` was.

    >>> from headrace import CallEnded, SyncRunner, step
    >>> class Slowest:
    ...     hears = (CallEnded,)
    ...     seconds, item = -1.0, None
    ...
    ...     def __call__(self, event):
    ...         if event.seconds > self.seconds:
    ...             self.seconds, self.item = event.seconds, event.item
    >>> @step
    ... def words(text: str):
    ...     yield from text.split()
    >>> slowest = Slowest()
    >>> SyncRunner(observers=[slowest]).execute(words | len, "to be").result
    [2, 2]
    >>> slowest.item in ("to", "be")
    True
    """

    run: int
    node: Node
    call: int
    item: Any
    seconds: float
    exception: BaseException | None


class DeadlockFound(msgspec.Struct, frozen=True, kw_only=True):
    """Every stage waits for another: the run fails with `error`, which says who waits for what.

    >>> from headrace import DeadlockError, DeadlockFound, SyncRunner, pipeline, step, zip_streams
    >>> @step
    ... def numbers(count: int):
    ...     yield from range(count)
    >>> @pipeline
    ... def pairs(count: int):
    ...     items = numbers(count)
    ...     return zip_streams(items, items.batched(2))
    >>> events = []
    >>> try:
    ...     SyncRunner(observers=[events.append]).execute(pairs, 9)
    ... except DeadlockError as error:
    ...     print([event.error is error for event in events if isinstance(event, DeadlockFound)])
    [True]
    """

    run: int
    error: DeadlockError


Event = (
    RunStarted
    | RunEnded
    | StepStarted
    | StepEnded
    | ItemFailed
    | ItemRetried
    | Blocked
    | Unblocked
    | CallStarted
    | CallEnded
    | DeadlockFound
)
EVENTS: frozenset[type] = frozenset(get_args(Event))
ALWAYS: frozenset[type] = EVENTS - {Blocked, Unblocked, CallStarted, CallEnded}  # what those hear that do not say what


class Observer(Protocol):
    """Called with each event of a run: any function of one event, or an object with `__call__`.

    It is told of one event at a time, by the thread in which that happens, and should be quick: the run waits for it.
    One that raises an `Exception` is logged and told nothing more; the run goes on.

    An attribute `hears`, a tuple of event classes, says what it is told; without one, it is told all but what may come
    with every item: `Blocked`, `Unblocked`, `CallStarted` and `CallEnded`. What nobody hears costs nothing.

    One that has a method `around` is asked for it when it has been told of a `RunStarted`, `StepStarted` or
    `CallStarted`: a function that makes a context manager, in which that run, the code of that step, or that call then
    is. docs/observers.md has an example.

    >>> from headrace import Event, ItemFailed, SyncRunner, step
    >>> class Failures:
    ...     hears = (ItemFailed,)
    ...
    ...     def __init__(self) -> None:
    ...         self.count = 0
    ...
    ...     def __call__(self, event: Event) -> None:
    ...         self.count += 1
    >>> failures = Failures()
    >>> @step
    ... def words(text: str):
    ...     yield from text.split()
    >>> number = step("number", fn=int, on_error="skip")
    >>> SyncRunner(observers=[failures]).execute(words | number, "1 b 3 d").result
    [1, 3]
    >>> failures.count
    2
    """

    def __call__(self, event: Event, /) -> object:
        """Hear of it."""
        ...
