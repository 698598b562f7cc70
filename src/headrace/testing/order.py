"""Which of the calls that overlap is over first: said by a test, so that it happens in the same way in every run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper
from typing import Any, Literal, ParamSpec, TypeVar, overload

from headrace import Step
from headrace.engine.held import Call, Script
from headrace.graph.values import shown

__all__ = ["CompletionOrder", "OrderError"]

P = ParamSpec("P")
R = TypeVar("R")
Event = tuple[Literal["begins", "ends"], object]


class OrderError(AssertionError):
    """Calls cannot be over in the order that a test says, or were not.

    >>> from headrace import step
    >>> from headrace.testing import CompletionOrder
    >>> order = CompletionOrder(["c", "b", "a"])
    >>> same = step("same", fn=order.of(str), executor="thread", max_in_flight=2)
    >>> @step
    ... def letters():
    ...     yield from "abc"
    >>> try:
    ...     (letters | same).run()
    ... except OrderError as error:
    ...     print(error)
    step 'same' (...): 'c' is to be over next, got calls for 'a' and 'b' only, which are to be over later ...
    """


class CompletionOrder(Script):
    """The order in which overlapping calls are over, whether they are async, in threads or in other processes.

    A call of the function that `of` gives is over when its function has returned, nothing else in the run can go on,
    and its turn has come: that is exact, and takes no time. So results with `ordered=False`, what begins when, and what
    is in flight are the same in every run and under every runner.

    Args:
        items: The items of the calls that are to be over first, second, … A call for any other item is over when no
            call for one of these can be; of several, the one that began first.
        key: What an item is called in `items`; default: the item itself.

    >>> from headrace import step
    >>> from headrace.testing import CompletionOrder
    >>> @step
    ... def letters():
    ...     yield from "abcd"
    >>> @step(max_in_flight=3, ordered=False)
    ... async def upper(letter: str) -> str:
    ...     return letter.upper()
    >>> order = CompletionOrder(["c", "a"])
    >>> (letters | order.of(upper)).run()
    ['C', 'A', 'B', 'D']
    """

    def __init__(self, items: Iterable[object] = (), *, key: Callable[[Any], object] | None = None) -> None:
        self.items: tuple[object, ...] = tuple(items)
        self.key = key
        self._latest: _Turns | None = None

    @overload
    def of(self, function: Step[P, R], /) -> Step[P, R]: ...
    @overload
    def of(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    def of(self, function: Any, /) -> Any:
        """A step, or a function, whose calls are over in this order. Several can share one order.

        The result goes into a pipeline, by itself or with `override`. When it is called where calls do not overlap,
        it raises `OrderError`: then there is no order to choose.

        >>> from headrace import step
        >>> from headrace.testing import CompletionOrder
        >>> CompletionOrder().of(step("length", fn=len))
        <step 'length'>
        """
        if isinstance(function, Step):
            return Step(self.of(function.function), function.name, function.settings, {})
        return _Scripted(function, self)

    @property
    def log(self) -> list[Event]:
        """What happened in the latest run, in order: `("begins", item)` and `("ends", item)`.

        >>> from headrace import step
        >>> from headrace.testing import CompletionOrder
        >>> order = CompletionOrder("ba")
        >>> @step
        ... def letters():
        ...     yield from "ab"
        >>> _ = (letters | step("upper", fn=order.of(str.upper), executor="thread", max_in_flight=2)).run()
        >>> order.log
        [('begins', 'a'), ('begins', 'b'), ('ends', 'b'), ('ends', 'a')]
        """
        return [] if self._latest is None else list(self._latest.log)

    def turns(self) -> _Turns:
        """The order, for one run. Called by headrace."""
        self._latest = _Turns(self)
        return self._latest


class _Scripted:
    """A function that brings a script."""

    def __init__(self, function: Callable[..., Any], order: CompletionOrder) -> None:
        self.function = function
        self.headrace_script = order
        update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.headrace_script._latest is None:
            raise OrderError(
                f"'{getattr(self, '__name__', self.function)}': its calls must overlap for an order in which they are "
                "over, got one that does not; make the step async or executor='thread', with max_in_flight=2 or more"
            )
        return self.function(*args, **kwargs)

    def __reduce__(self) -> Any:
        return _function_itself, (self.function,)  # in another process nothing is scripted


def _function_itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


class _Turns:
    """An order during one run."""

    def __init__(self, order: CompletionOrder) -> None:
        self.key: Callable[[Any], object] | None = order.key
        self.to_come: list[object] = list(order.items)
        self.log: list[Event] = []
        self.begun: list[Call] = []

    def begins(self, call: Call) -> None:
        self.begun.append(call)
        self.log.append(("begins", self._name(call)))

    def next(self, held: Sequence[Call]) -> Call | None:
        call = self._named_next(held) or self._unnamed(held)
        if call is not None:
            self.log.append(("ends", self._name(call)))
        return call

    def stuck(self, held: Sequence[Call]) -> OrderError:
        node = held[0].node
        return OrderError(
            f"{node}: {shown(self.to_come[0])} is to be over next, got calls for {self._names(held)} only, which are "
            f"to be over later (max_in_flight={node.max_in_flight}, concurrency={node.concurrency}); let one of them "
            "be over before it, or raise max_in_flight"
        )

    def unmet(self) -> OrderError | None:
        if not self.to_come:
            return None
        return OrderError(
            f"{self.begun[0].node}: {shown(self.to_come[0])} was to be over, got calls for {self._names(self.begun)} "
            "only; name items as the step gets them (or as key= does), or leave it out"
        )

    def _named_next(self, held: Sequence[Call]) -> Call | None:
        for call in held:
            if self.to_come and self.to_come[0] == self._name(call):
                del self.to_come[0]
                return call
        return None

    def _unnamed(self, held: Sequence[Call]) -> Call | None:
        return next((call for call in held if self._name(call) not in self.to_come), None)

    def _name(self, call: Call) -> object:
        return call.item if self.key is None else self.key(call.item)

    def _names(self, calls: Sequence[Call]) -> str:
        *names, last = [shown(self._name(call)) for call in calls]
        return f"{', '.join(names)} and {last}" if names else last
