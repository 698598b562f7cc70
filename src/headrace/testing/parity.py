"""Running a pipeline in every way, and comparing what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from headrace import ArgumentError, Event, RunEnded, Stream
from headrace.dsl.flow import Flow
from headrace.graph.values import shown
from headrace.testing.order import OrderError
from headrace.testing.outcome import Fixed, Outcome
from headrace.testing.plain import differences
from headrace.testing.runners import RUNNERS, AnyFlow, Runner
from headrace.testing.watch import Watch, Watched

if TYPE_CHECKING:
    from headrace.drivers.clock import Clock

__all__ = ["EveryRunner", "assert_bound", "run_everywhere"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
SHOWN = 10  # differences in one message


class EveryRunner:
    """Runs pipelines under every runner, one after the other, and asserts that all come to the same.

    Compared are the result, or the type, message and notes of the failure, and, where they are fixed, the items in and
    out of each node and the highest number in flight on each edge.

    Args:
        ordered: Whether results must come in the same order. Default: unless the pipeline has steps with
            `ordered=False` and no `CompletionOrder`, or merges what is made elsewhere; then it is asserted that the
            same items come, in any order.
        counts: Whether the counts of items must be the same. Default: if every step runs inline, by a
            `CompletionOrder`, or, with a clock, as an async step. Say True if your steps make sure of it.
        clock: Called before each run for the clock that it gets, such as `ScriptedClock`. The time in seconds at the
            end of the run must then be the same.
        runners: Those to run under, of which there must be one or more; default: `RUNNERS`.

    >>> from headrace import step
    >>> from headrace.testing import EveryRunner
    >>> @step
    ... def numbers(count: int):
    ...     yield from range(count)
    >>> EveryRunner(ordered=False).execute(numbers | str, 3).result
    ['0', '1', '2']
    """

    def __init__(
        self,
        *,
        ordered: bool | None = None,
        counts: bool | None = None,
        clock: Callable[[], Clock] | None = None,
        runners: Iterable[Runner] = RUNNERS,
    ) -> None:
        self.ordered = ordered
        self.counts = counts
        self.clock = clock
        self.runners: tuple[Runner, ...] = tuple(runners)

    @overload
    def execute(self, pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[list[T]]: ...
    @overload
    def execute(self, pipeline: Flow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]: ...
    def execute(self, pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Outcome[Any]:
        """What all runners come to. A failure of the run is in the outcome; its `result` raises it.

        Raises:
            AssertionError: two runners come to different outcomes; the message says where they differ. Or calls cannot
                be over in the order that the test says.
            ArgumentError: the arguments are not those of the pipeline, or one is an iterator, which only one run
                could read.
        """
        __tracebackhide__ = True
        _check_reusable(pipeline, args, kwargs)
        return self._agreed(partial(self._outcome, pipeline=pipeline, args=args, kwargs=kwargs))

    @overload
    def assert_bound(self, pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[list[T]]: ...
    @overload
    def assert_bound(self, pipeline: Flow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]: ...
    def assert_bound(self, pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Outcome[Any]:
        """The same as `execute`, and asserts that every bound held.

        Seen from within the steps' functions, and in the run's report: on every edge at most the producer's
        `max_in_flight` items in flight, and at most `concurrency` calls of a step at once.

        Raises: AssertionError: a bound did not hold, or two runners come to different outcomes.
        """
        __tracebackhide__ = True
        _check_reusable(pipeline, args, kwargs)
        return self._agreed(partial(self._bounded, pipeline=pipeline, args=args, kwargs=kwargs))

    def _agreed(self, outcome_under: Callable[[Runner], Outcome[Any]]) -> Outcome[Any]:
        __tracebackhide__ = True
        first, *others = self.runners
        expected = outcome_under(first)
        for other in others:
            outcome = outcome_under(other)
            found = list(differences(expected.as_json(full=True), outcome.as_json(full=True)))
            if found:
                message = f"pipeline '{expected.dag.name}': {first.name} and {other.name} differ"
                raise AssertionError(f"{message}\n{_listed(found, first, other)}") from _failure(expected, outcome)
        return expected

    def _bounded(
        self, runner: Runner, pipeline: AnyFlow, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Outcome[Any]:
        __tracebackhide__ = True
        watch = Watch(pipeline.dag)
        outcome = self._outcome(runner, Watched(pipeline, watch), args, kwargs)
        complaints = [*watch.complaints, *_over_bound(outcome)]
        if complaints:
            lines = "".join(f"\n  {complaint}" for complaint in complaints)
            raise AssertionError(f"pipeline '{outcome.dag.name}': {runner.name} broke a bound{lines}")
        return outcome

    def _outcome(
        self, runner: Runner, pipeline: AnyFlow, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Outcome[Any]:
        ended: list[RunEnded] = []

        def observer(event: Event) -> None:
            if isinstance(event, RunEnded):
                ended.append(event)

        result, failure = None, None
        clock = self.clock() if self.clock else None
        try:
            result = runner.execute({"observers": [observer], "clock": clock}, pipeline, *args, **kwargs)
        except OrderError:
            raise
        except Exception as error:
            failure = error
        if not ended:  # it never began
            raise failure or AssertionError(f"runner {runner.name}: told of no end of the run")
        (end,) = ended
        if end.failure is not failure:
            raise AssertionError(f"runner {runner.name}: told of {end.failure!r}, and raised {failure!r}")
        fixed = Fixed.of(pipeline._program, self.ordered, self.counts, in_time=clock is not None)
        return Outcome(end.dag, end.report, failure, clock.now() if clock else None, fixed, result)


def _check_reusable(pipeline: AnyFlow, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, (Iterator, AsyncIterator)):
            raise ArgumentError(
                f"pipeline '{pipeline.name}': runs several times, so its arguments must be such that they can be read "
                f"again, got {shown(argument)}; give a list"
            )


def _listed(found: list[tuple[str, str, str]], first: Runner, other: Runner) -> str:
    lines = [f"  {place}: {first.name} {a}, {other.name} {b}" for place, a, b in islice(found, SHOWN)]
    more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "\n".join(lines + more)


def _failure(*outcomes: Outcome[Any]) -> BaseException | None:
    """Of one that only some have: where it came up."""
    return next((outcome.failure for outcome in outcomes if outcome.failure is not None), None)


def _over_bound(outcome: Outcome[Any]) -> Iterator[str]:
    """What the report itself says was over a bound."""
    for edge in outcome.report.edges:
        producer = outcome.dag.node(edge.source)
        if edge.highest_in_flight > producer.max_in_flight:
            consumer = outcome.dag.node(edge.target) if edge.target else "the caller"
            yield (
                f"{producer}: at most max_in_flight={producer.max_in_flight} items may be in flight to {consumer}, "
                f"reported {edge.highest_in_flight}"
            )


@overload
def run_everywhere(pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[list[T]]: ...
@overload
def run_everywhere(pipeline: Flow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]: ...
def run_everywhere(pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Outcome[Any]:
    """Run the pipeline under every runner; gives what all of them come to. `EveryRunner` has options.

    Raises:
        AssertionError: two runners come to different outcomes; the message says where they differ.
        ArgumentError: the arguments are not those of the pipeline.

    >>> from headrace import step
    >>> from headrace.testing import run_everywhere
    >>> @step
    ... async def double(number: int) -> int:
    ...     return number * 2
    >>> assert run_everywhere(double, 4).result == 8
    """
    __tracebackhide__ = True
    return EveryRunner().execute(pipeline, *args, **kwargs)


@overload
def assert_bound(pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[list[T]]: ...
@overload
def assert_bound(pipeline: Flow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]: ...
def assert_bound(pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Outcome[Any]:
    """Run the pipeline under every runner, and assert that every bound held; gives what all of them come to.

    Raises: AssertionError: a bound did not hold, or two runners come to different outcomes.

    >>> from headrace import step
    >>> from headrace.testing import assert_bound
    >>> @step(max_in_flight=3)
    ... async def numbers(count: int):
    ...     for number in range(count):
    ...         yield number
    >>> assert_bound(numbers | str, 5).report.edges[0].highest_in_flight
    3
    """
    __tracebackhide__ = True
    return EveryRunner().assert_bound(pipeline, *args, **kwargs)
