"""`Stream`: the typed handle of a stream in a pipeline body."""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, TypeVarTuple, cast, overload

from headrace.dsl.binding import ITEM
from headrace.dsl.flow import Flow
from headrace.dsl.handle import Handle, Value, called_at, has_handle
from headrace.dsl.step import Step, as_step
from headrace.dsl.trace import Trace, current_trace
from headrace.engine.failure import Failure
from headrace.errors import HandleError, HintError, OptionError, WiringError
from headrace.graph.callee import LAZY_NAMES
from headrace.graph.dag import Kind
from headrace.graph.draft import Given
from headrace.graph.hints import can_be_hashed, describe, item_of, iterates, tuple_length, tuple_of, union
from headrace.graph.values import is_count, is_duration, shown

if TYPE_CHECKING:
    from headrace.dsl.pipeline import Pipeline

__all__ = ["Stream", "as_stream", "merge", "stream", "zip_streams", "zipped"]

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
I_co = TypeVar("I_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
F = TypeVar("F")
Ts = TypeVarTuple("Ts")
COLLECTIONS = (list, set, frozenset, tuple, dict)
NO_FILL: Any = object()


class Stream(Handle, Iterator[T_co], AsyncIterator[T_co]):
    """A stream of items of type `T`, in a pipeline body. To the type checkers it is an iterator of them.

    >>> from headrace import Stream, pipeline, step, stream
    >>> @pipeline
    ... def shout(words: list[str]) -> Stream[str]:
    ...     return stream(words).filter(str.isalpha).map(str.upper)
    >>> shout.run(["to", "be", "!"])
    ['TO', 'BE']
    """

    def _recorder(self) -> Trace:
        """The trace of the body that is running, which must be the stream's own."""
        trace = current_trace()
        if trace is None:
            self._misused("uses, after the body has ended,", "use it in the body only")
        trace._check_own(self)
        return trace

    def _what(self) -> str:
        return f"the stream of '{self._id}'"

    def __iter__(self) -> Iterator[T_co]:
        self._misused("iterates", "use .map(step), or pass it to a step that takes an iterator")

    def __next__(self) -> T_co:
        self._misused("takes an item of", "use .map(step), or pass it to a step that takes an iterator")

    def __aiter__(self) -> AsyncIterator[T_co]:
        self._misused("iterates", "use .map(step), or pass it to a step that takes an iterator")

    def __anext__(self) -> Awaitable[T_co]:
        self._misused("takes an item of", "use .map(step), or pass it to a step that takes an iterator")

    if not TYPE_CHECKING:  # to type checkers, only what a step gives that is called per item has it

        def catch(self) -> Any:
            """Refused, with what to do about it."""
            self._recorder().catch(self)

    def _attribute_fix(self, name: str) -> str:
        return f"use .map(lambda item: item.{name}), or read it inside a step"

    @overload
    def map(
        self, fn: Callable[Concatenate[T_co, P], Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Results[T_co, R]: ...
    @overload
    def map(self, fn: Callable[Concatenate[T_co, P], R], /, *args: P.args, **kwargs: P.kwargs) -> Results[T_co, R]: ...
    def map(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What `fn(item, *args, **kwargs)` gives, for each item.

        The extra arguments may be parameters, values of other steps, or plain data.

        Raises: BuildError: `fn` does not take these arguments.

        >>> from headrace import Stream, pipeline, stream
        >>> @pipeline
        ... def powers(exponent: int) -> Stream[int]:
        ...     return stream([1, 2, 3]).map(pow, exponent)
        >>> powers.run(2)
        [1, 4, 9]
        """
        return self._per_item("map", fn, args, kwargs)

    @overload
    def flat_map(
        self, fn: Callable[Concatenate[T_co, P], AsyncIterator[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Results[T_co, R]: ...
    @overload
    def flat_map(
        self, fn: Callable[Concatenate[T_co, P], Coroutine[Any, Any, Iterable[R]]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Results[T_co, R]: ...
    @overload
    def flat_map(
        self, fn: Callable[Concatenate[T_co, P], Iterable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Results[T_co, R]: ...
    def flat_map(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """All that the iterables `fn(item, *args, **kwargs)` give, one after the other.

        Raises: BuildError: `fn` does not take these arguments, or gives nothing that can be iterated.

        >>> from headrace import Stream, pipeline, stream
        >>> @pipeline
        ... def words(lines: list[str]) -> Stream[str]:
        ...     return stream(lines).flat_map(str.split)
        >>> words.run(["to be", "or not"])
        ['to', 'be', 'or', 'not']
        """
        return self._per_item("flat_map", fn, args, kwargs)

    @overload
    def starmap(self: Stream[tuple[*Ts]], fn: Callable[[*Ts], Coroutine[Any, Any, R]], /) -> Results[tuple[*Ts], R]: ...
    @overload
    def starmap(self: Stream[tuple[*Ts]], fn: Callable[[*Ts], R], /) -> Results[tuple[*Ts], R]: ...
    def starmap(self, fn: Any, /) -> Any:
        """What `fn(*item)` gives, for each item.

        Raises: BuildError: `fn` does not take as many arguments, or other types.

        >>> from headrace import Stream, pipeline, stream
        >>> @pipeline
        ... def sums(pairs: list[tuple[int, int]]) -> Stream[int]:
        ...     return stream(pairs).starmap(int.__add__)
        >>> sums.run([(1, 2), (3, 4)])
        [3, 7]
        """
        if isinstance(fn, Flow) and not isinstance(fn, Step):
            from headrace.dsl.lift import lift_spread

            return lift_spread(self._recorder(), cast("Pipeline[Any, Any]", fn), self)
        step = self._step("starmap", fn)
        return _results(self._recorder().spread(self, step.callee, step.function, step.settings))

    def filter(
        self, fn: Callable[Concatenate[T_co, P], object], /, *args: P.args, **kwargs: P.kwargs
    ) -> Results[T_co, T_co]:
        """The items for which `fn(item, *args, **kwargs)` is true.

        Raises: BuildError: `fn` does not take these arguments.

        >>> from headrace import Stream, pipeline, stream
        >>> @pipeline
        ... def letters(text: str) -> Stream[str]:
        ...     return stream(text).filter(str.isalpha)
        >>> letters.run("a1b")
        ['a', 'b']
        """
        return cast("Results[T_co, T_co]", self._per_item("filter", fn, args, kwargs))

    def batched(self, n: int, /, *, timeout: float | None = None) -> Stream[tuple[T_co, ...]]:
        """Tuples of `n` items; the last one may be shorter. `n` may be a parameter, or the value of a step.

        With a `timeout`, in seconds, a tuple is given when it has `n` items or when it is so long ago that its first
        item was received, whichever comes first; it is never empty. What is received later goes into the next tuple.
        A plain step that is in the middle of something holds the time-out until it is done; async steps, and steps with
        `executor="thread"`, do not.

        Raises: OptionError: `n` is not a whole number of 1 or more, or `timeout` is not a number greater than 0.

        >>> from headrace import Stream, pipeline, stream
        >>> @pipeline
        ... def pairs(numbers: list[int]) -> Stream[tuple[int, ...]]:
        ...     return stream(numbers).batched(2)
        >>> pairs.run([1, 2, 3])
        [(1, 2), (3,)]
        """
        inputs = [self._given(), self._count("batched", "n", n, least=1)]
        if timeout is not None:
            inputs.append(self._seconds("batched", timeout))
        return cast(
            "Stream[tuple[T_co, ...]]",
            self._recorder().built_in("batch", "stream", tuple_of((self._hint, ...)), tuple(inputs), "batched"),
        )

    def take(self, n: int, /) -> Stream[T_co]:
        """The first `n` items. With the last of them in hand the rest is not asked for, and nobody is held back.

        `n` may be a parameter, or the value of a step.

        Raises: OptionError: `n` is not a whole number of 0 or more.

        >>> from headrace import Stream, pipeline, stream
        >>> @pipeline
        ... def first(words: list[str]) -> Stream[str]:
        ...     return stream(words).take(2)
        >>> first.run(["to", "be", "or", "not"])
        ['to', 'be']
        """
        inputs = (self._given(), self._count("take", "n", n, least=0))
        return cast("Stream[T_co]", self._recorder().built_in("take", "stream", self._hint, inputs))

    def enumerate(self, start: int = 0, /) -> Stream[tuple[int, T_co]]:
        """Pairs of a number, counted from `start`, and an item.

        Raises: OptionError: `start` is not a whole number.

        >>> from headrace import Stream, pipeline, stream
        >>> @pipeline
        ... def numbered(lines: list[str]) -> Stream[tuple[int, str]]:
        ...     return stream(lines).enumerate(1)
        >>> numbered.run(["to be", "or not"])
        [(1, 'to be'), (2, 'or not')]
        """
        inputs = (self._given(), self._count("enumerate", "start", start))
        return cast(
            "Stream[tuple[int, T_co]]",
            self._recorder().built_in("enumerate", "stream", tuple_of((int, self._hint)), inputs),
        )

    @overload
    def collect(self, /) -> list[T_co]: ...
    @overload
    def collect(self, into: type[list[Any]], /) -> list[T_co]: ...
    @overload
    def collect(self, into: type[set[Any]], /) -> set[T_co]: ...
    @overload
    def collect(self, into: type[frozenset[Any]], /) -> frozenset[T_co]: ...
    @overload
    def collect(self, into: type[tuple[Any, ...]], /) -> tuple[T_co, ...]: ...
    @overload
    def collect(self: Stream[tuple[A, B]], into: type[dict[Any, Any]], /) -> dict[A, B]: ...
    @overload
    def collect(self, into: Callable[[Stream[T_co]], Coroutine[Any, Any, R]], /) -> R: ...
    @overload
    def collect(self, into: Callable[[Stream[T_co]], R], /) -> R: ...
    def collect(self, into: Any = list, /) -> Any:
        """All items as one value, which is there when the stream has ended.

        `into` is `list`, `set`, `frozenset`, `tuple`, `dict` (of a stream of pairs), or any function or class that
        takes an iterator: `Counter`, `sorted`, one that writes to a file or a database and gives what reads it back.

        Raises:
            HintError: the items do not fit, as lists in a set do not, or items that are no pairs in a dict.
            WiringError: `into` takes no iterator.

        >>> from headrace import pipeline, step, stream
        >>> highest = step("highest", fn=max)
        >>> @pipeline
        ... def longest(words: list[str]) -> tuple[int, set[str]]:
        ...     found = stream(words)
        ...     return highest(found.map(len).collect()), found.collect(set)
        >>> longest.run(["not", "not"])
        (3, {'not'})
        """
        if into not in COLLECTIONS:
            return self._given_to(into)
        hint = _collection(self, into)
        function = None if into is list else into
        return self._recorder().built_in("collect", "value", hint, (self._given(),), function=function)

    def _given_to(self, into: Any) -> Any:
        """What a function makes of the whole stream."""
        step = self._step("collect", into)
        if step.callee.streams:
            raise WiringError(
                f"{step.callee}: .collect needs a function that gives one value, got a generator; call it with the "
                f"stream: {step.name}(...) (called at {called_at()})"
            )
        return self._recorder().call(step.callee, step.function, step.settings, (self,), {})

    def _count(self, method: str, parameter: str, count: object, least: int | None = None) -> Given:
        """A number as an input: plain, or a value that is there when the pipeline runs."""
        if isinstance(count, Value):
            self._trace._check_own(count)
            return Given(parameter, "value", count._id, hint=count._hint, wanted=int)
        if not is_count(count, least):
            needed = "a whole number" if least is None else f"a whole number of {least} or more"
            raise OptionError(
                f"pipeline '{self._trace.name}' ({called_at()}): .{method} must get {needed}, got {shown(count)}"
            )
        return Given(parameter, constant=count)

    def _seconds(self, method: str, timeout: object) -> Given:
        """A time-out as an input: plain, or a value that is there when the pipeline runs."""
        if isinstance(timeout, Value):
            self._trace._check_own(timeout)
            return Given("timeout", "value", timeout._id, hint=timeout._hint, wanted=float)
        if not is_duration(timeout):
            raise OptionError(
                f"pipeline '{self._trace.name}' ({called_at()}): .{method} must get a timeout of seconds, more than 0, "
                f"got {shown(timeout)}"
            )
        return Given("timeout", constant=timeout)

    def _given(self) -> Given:
        """The stream as the first input of a node of headrace's own."""
        return Given("items", "stream", self._id, hint=self._hint)

    def _per_item(self, kind: Kind, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(fn, Flow) and not isinstance(fn, Step):
            from headrace.dsl.lift import lift

            return lift(self._recorder(), kind, cast("Pipeline[Any, Any]", fn), self, args, kwargs)
        step = self._step(kind, fn)
        arguments = (ITEM, *args)
        return _results(
            self._recorder().per_item(kind, self, step.callee, step.function, step.settings, arguments, kwargs)
        )

    def _step(self, method: str, fn: Any) -> Step[Any, Any]:
        if isinstance(fn, Flow) and not isinstance(fn, Step):
            raise WiringError(
                f"pipeline '{self._trace.name}' ({called_at()}): .{method} takes a step or a function, got "
                f"pipeline '{fn.name}'; use .map or .flat_map, or call the pipeline with the stream"
            )
        if not callable(fn) or isinstance(fn, Handle):
            raise WiringError(
                f"pipeline '{self._trace.name}' ({called_at()}): .{method} takes a step or a function, got "
                f"{shown(fn)}; pass the function itself, and its extra arguments after it"
            )
        return as_step(fn)


class Results(Stream[R_co], Generic[I_co, R_co]):
    """The stream of what a step gives that is called per item; it knows the type of what goes in, too."""

    def catch(self) -> tuple[Stream[R_co], Stream[Failure[I_co]]]:
        """The results of the step that made this stream, and its failures: a `Failure` for each item that it failed at.

        It belongs to a step that is called per item, right behind `.map`, `.starmap`, `.filter` or `.flat_map`. Both
        are streams like any other, within the step's bound: an item that is being made counts for both, a failure that
        nobody has taken holds the step back as a result does, and whoever reads one of them gets all of it. Failures
        that nobody reads are skipped, as with `on_error="skip"`.

        Raises: WiringError: no step that is called per item, here in this body, made the stream; or it skips.

        >>> from headrace import pipeline, step, stream
        >>> @step
        ... def as_text(failure: Failure[str]) -> str:
        ...     return f"{failure.item}: {failure.exception}"
        >>> @pipeline
        ... def numbers(texts: list[str]) -> tuple[list[int], list[str]]:
        ...     found, failed = stream(texts).map(int).catch()
        ...     return found.collect(), failed.map(as_text).collect()
        >>> numbers.run(["1", "two", "3"])
        ([1, 3], ["two: invalid literal for int() with base 10: 'two'"])
        """
        failures = self._recorder().catch(self)
        return self, cast("Stream[Failure[I_co]]", failures)


def _results(handle: Handle) -> Results[Any, Any]:
    return Results(handle._trace, handle._id, handle._hint)


def stream(items: Iterable[T], /) -> Stream[T]:
    """A stream of the items of a stream, a parameter, a value that can be iterated, or a constant.

    Raises:
        HandleError: it is used outside of a pipeline body.
        HintError: what was given cannot be iterated.
        WiringError: what was given can be iterated only once, so that a second run would find it empty.

    >>> from headrace import Stream, pipeline, stream
    >>> @pipeline
    ... def lengths(words: list[str]) -> Stream[int]:
    ...     return stream(words).map(len)
    >>> lengths.run(["to", "be", "not"])
    [2, 2, 3]
    """
    trace = current_trace()
    if trace is None:
        raise HandleError(
            f"stream(...) ({called_at()}): makes a stream in a pipeline body only, got a call outside of "
            "one; decorate the function with @pipeline"
        )
    return cast("Stream[T]", as_stream(trace, items))


def as_stream(trace: Trace, items: Any, wanted_by: str = "stream") -> Stream[Any]:
    """`items` as a stream of that trace."""
    if isinstance(items, Stream):
        trace._check_own(items)
        return items
    where = f"pipeline '{trace.name}' ({trace.here()}): {wanted_by}"
    if isinstance(items, Value):
        trace._check_own(items)
        hint, given = items._hint, Given("items", "value", items._id, hint=items._hint)
        if not iterates(hint):
            raise HintError(
                f"{where} needs something that can be iterated, got {describe(hint)} from "
                f"{trace.drafts[items._id]}; give a list"
            )
    else:
        hint, given = Any, Given("items", constant=items)
        _check_constant_items(where, items)
    return cast("Stream[Any]", trace.built_in("iterate", "stream", item_of(hint), (given,), "stream"))


def _check_constant_items(where: str, items: Any) -> None:
    if isinstance(items, Iterator):
        raise WiringError(
            f"{where} needs data that can be read again, got a {type(items).__name__}, which can be read "
            "only once, so a second run would find it empty; give a list, or a step that makes it"
        )
    if not isinstance(items, Iterable):
        raise HintError(
            f"{where} needs something that can be iterated, got {shown(items)}; "
            "give a list, a stream, or a call of a step"
        )
    if has_handle(items):
        raise HandleError(
            f"{where} needs data or one handle, got a {type(items).__name__} with handles in it; "
            "build the list in a step, or use zip_streams"
        )


@overload
def zip_streams(a: Iterable[A], b: Iterable[B], /, *, strict: bool = ...) -> Stream[tuple[A, B]]: ...
@overload
def zip_streams(a: Iterable[A], b: Iterable[B], c: Iterable[C], /, *, strict: bool = ...) -> Stream[tuple[A, B, C]]: ...
@overload
def zip_streams(
    a: Iterable[A], b: Iterable[B], c: Iterable[C], d: Iterable[D], /, *, strict: bool = ...
) -> Stream[tuple[A, B, C, D]]: ...
@overload
def zip_streams(a: Iterable[A], b: Iterable[B], /, *, fill: F) -> Stream[tuple[A | F, B | F]]: ...
@overload
def zip_streams(
    a: Iterable[A], b: Iterable[B], c: Iterable[C], /, *, fill: F
) -> Stream[tuple[A | F, B | F, C | F]]: ...
@overload
def zip_streams(
    a: Iterable[A], b: Iterable[B], c: Iterable[C], d: Iterable[D], /, *, fill: F
) -> Stream[tuple[A | F, B | F, C | F, D | F]]: ...
@overload
def zip_streams(
    a: Iterable[Any],
    b: Iterable[Any],
    c: Iterable[Any],
    d: Iterable[Any],
    /,
    *more: Iterable[Any],
    strict: bool = ...,
    fill: Any = ...,
) -> Stream[tuple[Any, ...]]: ...
def zip_streams(*streams: Any, strict: Any = True, fill: Any = NO_FILL) -> Any:
    """Tuples of one item from each stream.

    Streams of different length are an error, raised when one ends early, unless `strict=False` asks for as many tuples
    as the shortest has items, or `fill=value` for as many as the longest has, with `value` where items are missing.

    Raises:
        HandleError: it is used outside of a pipeline body.
        OptionError: `strict` is not True or False.
        WiringError: there are fewer than two streams.

    >>> from headrace import Stream, pipeline, stream, zip_streams
    >>> @pipeline
    ... def lengths(words: list[str]) -> Stream[tuple[str, int]]:
    ...     found = stream(words)
    ...     return zip_streams(found, found.map(len))
    >>> lengths.run(["to", "not"])
    [('to', 2), ('not', 3)]
    >>> @pipeline
    ... def pairs(left: list[int], right: list[int]) -> Stream[tuple[int, int]]:
    ...     return zip_streams(left, right, fill=0)
    >>> pairs.run([1, 2], [3])
    [(1, 3), (2, 0)]
    """
    trace, parts = _streams("zip_streams", "zips", streams)
    if not isinstance(strict, bool):
        raise OptionError(
            f"pipeline '{trace.name}' ({called_at()}): zip_streams takes strict=True or False, got {shown(strict)}"
        )
    return zipped(trace, parts, strict, fill)


def zipped(trace: Trace, parts: Sequence[Stream[Any]], strict: bool = True, fill: Any = NO_FILL) -> Any:
    """The streams `parts` as one stream of tuples."""
    inputs = [Given(f"{index}", "stream", one._id, hint=one._hint) for index, one in enumerate(parts)]
    hints = [one._hint for one in parts]
    if fill is not NO_FILL:
        _check_data(trace, fill)
        inputs.append(Given("fill", constant=fill, keyword=True))
        hints = [union((hint, type(fill))) for hint in hints]
    elif not strict:
        inputs.append(Given("strict", constant=False, keyword=True))
    return trace.built_in("zip", "stream", tuple_of(tuple(hints)), tuple(inputs))


def _check_data(trace: Trace, fill: Any) -> None:
    if isinstance(fill, Handle) or has_handle(fill):
        raise HandleError(
            f"pipeline '{trace.name}' ({called_at()}): zip_streams fills up with plain data, got a handle; "
            "fill with None, and replace it in a step"
        )


def _collection(stream: Stream[Any], kind: Any) -> Any:
    """The hint of such a collection of the stream's items."""
    item = stream._hint
    if kind is dict:
        parts = typing.get_args(item) if tuple_length(item) is not None else (Any, Any)
        if not iterates(item) or item in (str, bytes) or len(parts) != 2:
            raise _misfit(stream, "a dict needs pairs", "give it tuples of a key and a value")
        return dict.__class_getitem__(parts)  # `dict[...]` would be a hint to type checkers
    if kind in (set, frozenset) and not can_be_hashed(item):
        raise _misfit(stream, f"a {kind.__name__} needs items that can be hashed", "collect a list, or map them first")
    return kind.__class_getitem__((item, ...) if kind is tuple else item)


def _misfit(stream: Stream[Any], what: str, fix: str) -> HintError:
    return HintError(
        f"pipeline '{stream._trace.name}' ({called_at()}): {what}, got {stream._what()}, a stream of "
        f"{describe(stream._hint)}; {fix}"
    )


@overload
def merge(a: Iterable[A], b: Iterable[B], /) -> Stream[A | B]: ...
@overload
def merge(a: Iterable[A], b: Iterable[B], c: Iterable[C], /) -> Stream[A | B | C]: ...
@overload
def merge(a: Iterable[A], b: Iterable[B], c: Iterable[C], d: Iterable[D], /) -> Stream[A | B | C | D]: ...
@overload
def merge(a: Iterable[T], b: Iterable[T], /, *more: Iterable[T]) -> Stream[T]: ...
def merge(*streams: Any) -> Any:
    """The items of all the streams, as they come; the order within each stream is kept.

    All streams are read at the same time. Those that have an item take turns, in the order of the arguments, so that
    the result is always the same where nobody has to wait. It ends when all of them have ended.

    Raises:
        HandleError: it is used outside of a pipeline body.
        WiringError: there are fewer than two streams.

    >>> from headrace import Stream, merge, pipeline, stream
    >>> @pipeline
    ... def cards(left: list[str], right: list[str]) -> Stream[str]:
    ...     return merge(stream(left), stream(right).map(str.upper))
    >>> cards.run(["a", "b", "c"], ["d"])
    ['a', 'D', 'b', 'c']
    """
    trace, parts = _streams("merge", "merges", streams)
    inputs = tuple(Given(f"{index}", "stream", one._id, hint=one._hint) for index, one in enumerate(parts))
    hints = tuple(one._hint for one in parts)
    return trace.built_in("merge", "stream", Any if Any in hints else union(hints), inputs)


def _streams(name: str, merges: str, streams: tuple[Any, ...]) -> tuple[Trace, list[Stream[Any]]]:
    """The trace of the body that is running, and two streams or more that one of its nodes reads together."""
    trace = current_trace()
    if trace is None:
        raise HandleError(
            f"{name}(...) ({called_at()}): {merges} streams in a pipeline body only, got a call outside "
            "of one; decorate the function with @pipeline"
        )
    if len(streams) < 2:
        raise WiringError(
            f"pipeline '{trace.name}' ({called_at()}): {name} needs 2 streams or more, got {len(streams)}; for those "
            f"in a list, write {name}(*streams), to iterate one, stream(...)"
        )
    return trace, [as_stream(trace, one, name) for one in streams]


LAZY_NAMES["Stream"] = Stream
