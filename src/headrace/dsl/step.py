"""`@step`: a plain function or generator, with options."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from headrace.dsl.flow import Flow
from headrace.dsl.handle import Handle, called_at
from headrace.dsl.settings import settled
from headrace.dsl.trace import current_trace
from headrace.errors import WiringError
from headrace.graph.callee import BUILT_IN, Callee, name_of, place_of, read
from headrace.graph.options import Executor, Mode, OnError, Options
from headrace.graph.values import shown

if TYPE_CHECKING:
    from tenacity import BaseRetrying

    from headrace.dsl.stream import Stream
    from headrace.graph.dag import Program
    from headrace.graph.limit import Limit
    from headrace.graph.retry import Retry

__all__ = ["Step", "StepOptions", "as_step", "checked_name", "step"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class StepOptions(TypedDict, total=False):
    """The options of a step. `max_in_flight` is in items, `concurrency` in calls at once. `step` tells of each."""

    max_in_flight: int
    concurrency: int | None
    ordered: bool
    executor: Executor
    idempotent: bool
    timeout: float | None
    mode: Mode | None
    on_error: OnError
    max_failures: int | float | None
    checkpoint: bool
    version: str | None
    unkeyed: str | Sequence[str]
    limit: Limit | None
    retry: Retry | BaseRetrying | None


class NamedStepOptions(StepOptions, total=False):
    """The options of a step, and its name."""

    name: str


class Step(Flow[P, R_co]):
    """A function that can be put into pipelines. Outside of a pipeline body it is still its function.

    Made by `step`; not by hand.

    >>> from headrace import step
    >>> @step(max_in_flight=3)
    ... def double(number: int) -> int:
    ...     return number * 2
    >>> double(4), double
    (8, <step 'double'>)
    """

    def __init__(self, function: Callable[P, R_co], name: str, options: Options, changes: dict[str, Any]) -> None:
        self.function = function
        self.callee: Callee = read(function, name)
        self.name = name
        owner = f"step '{name}' ({_place(function)})"
        self.settings: Options = settled(self.callee, function, options, changes, owner)
        functools.update_wrapper(self, function, updated=())

    def __repr__(self) -> str:
        return f"<step '{self.name}'>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function; in a pipeline body: record the call, and give a handle of what it will give."""
        trace = current_trace()
        if trace is None:
            return self.function(*args, **kwargs)
        return cast(R_co, trace.call(self.callee, self.function, self.settings, args, kwargs))

    def options(self, **changes: Unpack[NamedStepOptions]) -> Step[P, R_co]:
        """A copy with other options; the step itself does not change.

        Raises: OptionError: an option has a value that it cannot have.

        >>> from headrace import step
        >>> fetch = step("fetch", fn=len)
        >>> fetch.options(max_in_flight=10).settings.max_in_flight, fetch.settings.max_in_flight
        (10, 1)
        """
        values: dict[str, Any] = dict(changes)
        place = _place(self.function)
        name = checked_name(values.pop("name", self.name), place)
        return Step(self.function, name, self.settings, values)

    def _compiled(self) -> Program:
        from headrace.dsl.pipeline import pipeline_of_step

        return pipeline_of_step(self)._program


class StepMaker(Protocol):
    """What `step` with options gives: it makes a step of the function that it decorates."""

    @overload
    def __call__(self, function: Callable[P, AsyncIterator[T]], /) -> Step[P, Stream[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Iterator[T]], /) -> Step[P, Stream[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> Step[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> Step[P, T]: ...


@overload
def step(function: Callable[P, AsyncIterator[T]], /, **options: Unpack[NamedStepOptions]) -> Step[P, Stream[T]]: ...
@overload
def step(function: Callable[P, Iterator[T]], /, **options: Unpack[NamedStepOptions]) -> Step[P, Stream[T]]: ...
@overload
def step(function: Callable[P, Coroutine[Any, Any, T]], /, **options: Unpack[NamedStepOptions]) -> Step[P, T]: ...
@overload
def step(function: Callable[P, T], /, **options: Unpack[NamedStepOptions]) -> Step[P, T]: ...
@overload
def step(name: str, /, *, fn: Callable[P, AsyncIterator[T]], **options: Unpack[StepOptions]) -> Step[P, Stream[T]]: ...
@overload
def step(name: str, /, *, fn: Callable[P, Iterator[T]], **options: Unpack[StepOptions]) -> Step[P, Stream[T]]: ...
@overload
def step(name: str, /, *, fn: Callable[P, Coroutine[Any, Any, T]], **options: Unpack[StepOptions]) -> Step[P, T]: ...
@overload
def step(name: str, /, *, fn: Callable[P, T], **options: Unpack[StepOptions]) -> Step[P, T]: ...
@overload
def step(name: str, /, **options: Unpack[StepOptions]) -> StepMaker: ...
@overload
def step(**options: Unpack[NamedStepOptions]) -> StepMaker: ...
def step(  # noqa: D417  # its arguments are those of the overloads
    function_or_name: Any = None, /, *, fn: Any = None, name: Any = None, **options: Any
) -> Any:
    """Make a step: `@step`, `@step(max_in_flight=3)`, `@step("name")`, `step(function)`, `step("name", fn=function)`.

    A generator function, or one hinted `-> Iterator[T]`, gives a stream of `T`; any other function gives a value.

    Args:
        name: What the step is called in paths and messages; default: the function's own name.
        fn: The function, where `step` is not used as a decorator.
        max_in_flight: How many items the step may be asked for that its consumer has not taken yet; default 1.
        concurrency: How many calls may run at once, of an async function or with an executor that is not "inline";
            default `max_in_flight`.
        ordered: False: results of such calls in the order in which they are ready, not in input order.
        executor: Where calls run. "inline": one by one, in the run's own thread. "thread": for functions that block.
            "process": for functions that compute, in worker processes: at most as many as there are cores, whatever
            `concurrency` says; what they take and give is pickled, and context variables stay behind. An async
            function runs in asyncio tasks, and takes no other.
        idempotent: True: a call may be made again (with the same item, up to 3 times in all) if its worker process
            dies; with `executor="process"`.
        timeout: Seconds that a call may take; then it is ended, and fails with `TimeoutError`. For async functions, and
            with `executor="process"`: nothing can end any other call.
        mode: "each": streams reach the step in a call per item; "all": in one call, lazily or collected. Another use
            is an error. Default: as the step is used, and where steps are wired by name or joined with `|`, the hints.
        on_error: "raise": a failure stops the run. "skip": the item that failed is left out, counted in the report, and
            logged once for each kind of exception; a generator that failed ends there.
        max_failures: With "skip" or `.catch()`, how many failures may be: a number of items, or a fraction of the
            items, from the 100th item on and at the end. One more stops the run as with "raise".
        checkpoint: True: a runner that has a `checkpoint` keeps the result of each call, and does not make the call
            again. For steps that are called per item, or once with values. docs/checkpoints.md says what that promises.
        version: Kept results are those of this version. Default: they are those of the function as its code is now.
        unkeyed: Parameters on which the result does not depend, such as a client: other arguments for them do not
            invalidate what was kept.
        limit: A `Limit`, which may be that of other steps as well: how many calls may run at once, and how often one
            may begin.
        retry: A `Retry`, or a ready tenacity object: after which exceptions a call is made again, and when.

    Raises:
        OptionError: an option has a value that it cannot have.
        WiringError: what was given is not a function.

    >>> from headrace import step
    >>> @step
    ... def words(text: str):
    ...     yield from text.split()
    >>> words.run("to be")
    ['to', 'be']
    >>> step("length", fn=len).run("four")
    4
    """
    if isinstance(function_or_name, str):
        name, function = function_or_name, fn
    else:
        function = function_or_name if function_or_name is not None else fn
    if function is None:
        return functools.partial(_made, name=name, options=options)
    return _made(function, name=name, options=options)


def _made(function: Any, name: str | None, options: dict[str, Any]) -> Step[Any, Any]:
    if isinstance(function, Step):
        return function.options(**options) if name is None else function.options(**options, name=name)
    if not callable(function) or isinstance(function, (Flow, Handle)):
        raise WiringError(
            f"step{'' if name is None else f' {name!r}'} ({called_at()}): needs a function, got "
            f"{shown(function)}; decorate a function, or pass one as fn="
        )
    place = _place(function)
    name = checked_name(name, place) if name is not None else name_of(function)
    return Step(function, name, Options(), options)


def _place(function: Any) -> str:
    """Where the function is defined, or else where it is used."""
    place = place_of(function)
    return called_at() if place == BUILT_IN else place


def checked_name(name: object, place: str, what: str = "step") -> str:
    """`name`, if it can be the name of a step or pipeline."""
    if not isinstance(name, str) or not name.strip() or any(symbol in name for symbol in "/#()"):
        raise WiringError(
            f"{what} {name!r} ({place}): a name must be text without '/', '#', '(' and ')', got {name!r}; "
            "choose another"
        )
    return name


def as_step(function: Any) -> Step[Any, Any]:
    """`function` itself if it is a step, else a step of it: a plain function may stand where a step may."""
    return function if isinstance(function, Step) else _made(function, None, {})
