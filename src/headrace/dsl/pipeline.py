"""`@pipeline` and `|`: recording a body once, and putting pipelines into pipelines."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeGuard, TypeVar, cast, overload

import msgspec

from headrace.dsl.binding import unbound
from headrace.dsl.flow import Flow
from headrace.dsl.handle import Handle, Value, called_at
from headrace.dsl.override import explain, replaced
from headrace.dsl.settings import Settings, check_named
from headrace.dsl.step import Step, as_step, checked_name
from headrace.dsl.stream import Stream, as_stream
from headrace.dsl.trace import Trace, current_trace, tracing
from headrace.errors import BuildError, HandleError, HintError, OptionError, WiringError
from headrace.graph.callee import Callee, Parameter, read, runnable
from headrace.graph.check import check
from headrace.graph.compile import compile_recording
from headrace.graph.dag import Kind, Program
from headrace.graph.draft import Draft, Returns
from headrace.graph.hints import describe, fits, holds, is_stream, item_of, iterates, takes_stream, tuple_of
from headrace.graph.values import shown

if TYPE_CHECKING:
    from headrace.dsl.autowire import WiredPipeline

__all__ = ["Pipeline", "checked_arguments", "join", "outputs_of", "pipeline", "pipeline_of_step", "without_result"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Q = TypeVar("Q")
Returned = str | Sequence[str] | None  # the names of steps


class Pipeline(Flow[P, R_co]):
    """A recorded pipeline: run it, join it with `|`, or call it in the body of another.

    Made by `pipeline` and by `|`; not by hand.

    >>> from headrace import Stream, pipeline, stream
    >>> @pipeline
    ... def lengths(words: list[str]) -> Stream[int]:
    ...     return stream(words).map(len)
    >>> lengths, lengths.run(["to", "not"])
    (<pipeline 'lengths'>, [2, 3])

    As text it is a tree of its steps, and in a notebook a picture.

    >>> print(lengths)
    lengths(words: list[str]) -> Stream[Any]
    ├─ stream  iterate  words   Stream[str]  1 in flight
    └─ len     map      stream  Stream[Any]  1 in flight
    """

    def __init__(self, name: str, callee: Callee, body: Callable[..., Any]) -> None:
        self.name = name
        self.callee: Callee = runnable(callee)
        self._body = body
        self._replacements: Mapping[Any, Callable[..., Any]] = {}  # as `Trace.replacements`
        self._replaceable: Mapping[Any, str] = {}  # as `Trace.replaceable`, when it is compiled
        self._settings: Settings = {}  # as `Trace.settings`
        self._output_hint: Any = Any

    def __repr__(self) -> str:
        return f"<pipeline '{self.name}'>"

    def __str__(self) -> str:
        from headrace.graph.tree import tree

        return tree(self.dag)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What notebooks show: a picture, or where that cannot be drawn the source of one; and the tree as text."""
        from headrace.graph.drawing import svg
        from headrace.graph.render import mermaid

        try:
            picture = {"image/svg+xml": svg(self.dag)}
        except OptionError:  # without the extra `pictures`
            picture = {"text/vnd.mermaid": mermaid(self.dag)}
        return {**picture, "text/plain": str(self)}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """In the body of another pipeline: put this one in its place there.

        Raises:
            WiringError: the arguments do not fit, or there is no body around the call: use `run` or `iter`.
        """
        trace = current_trace()
        if trace is None:
            raise WiringError(
                f"{self._where}: was called outside of a pipeline body; use .run(...) or await .arun(...) for its "
                f"result, or .iter(...) for its items one by one (called at {called_at()})"
            )
        arguments = checked_arguments(self._where, self.callee, trace, args, kwargs)
        with trace.inside(self.name):
            return cast(R_co, self._record(trace, arguments))

    def named(self, name: str) -> Pipeline[P, R_co]:
        """A copy with another name.

        Raises: WiringError: the name cannot be one.

        >>> from headrace import step
        >>> @step
        ... def words(text: str):
        ...     yield from text.split()
        >>> (words | len).named("lengths")
        <pipeline 'lengths'>
        """
        other = copy.copy(self)
        other.name = checked_name(name, called_at(), "pipeline")
        vars(other).pop("_program", None)  # the name is part of every node's id
        return other

    def override(self, replacements: Mapping[Callable[..., Any], Callable[..., Any]], /) -> Pipeline[P, R_co]:
        """A copy in which other functions stand in for some of its own, sub-pipelines included: for tests.

        A function is named by itself or by a step of it, whatever the step's options. The steps keep their names and
        options; of a step that stands in, only the function counts. A plain function may stand in for an async one
        and the other way round, and one that gives a list for a generator. What stands in for a function that runs
        in worker processes runs in threads.

        Raises:
            HintError: what stands in does not take, or give, what its place in the pipeline asks for.
            WiringError: the pipeline has no such function.

        >>> from headrace import pipeline, step
        >>> @step
        ... def fetch(url: str) -> str:
        ...     raise OSError("no network here")
        >>> @pipeline
        ... def size(url: str) -> int:
        ...     return step("length", fn=len)(fetch(url))
        >>> size.override({fetch: lambda url: "four"}).run("https://example.org")
        4
        """
        self._program  # noqa: B018  # compiled by now: so its functions are known
        other = copy.copy(self)
        del other._program
        other._replacements = {**self._replacements, **replaced(replacements, self._replaceable, self._where)}
        try:
            other._program  # noqa: B018  # compiled here: types are checked before anything runs
        except BuildError as error:
            explain(error, replacements)
            raise
        return other

    def _with_settings(self, settings: Settings) -> Pipeline[P, R_co]:
        """A copy whose steps have other options, sub-pipelines included.

        Raises: BuildError: a step is not in the pipeline, or an option has a value that it cannot have there.
        """
        other = copy.copy(self)
        vars(other).pop("_program", None)
        other._settings = {**self._settings, **settings}
        other._program  # noqa: B018  # compiled here: options are checked before anything runs
        return other

    def _compiled(self) -> Program:
        trace = Trace(self.name, Stream)
        trace.settings = self._settings
        with tracing(trace):
            parameters = self.callee.parameters.values()
            handles = {each.name: trace.parameter(each.name, each.hint, self.callee.where) for each in parameters}
            result = self._record(trace, handles)
        check_named(self._settings, trace.settable, self._where)
        handles_out, returns = outputs_of(self._where, self.callee, result)
        self._output_hint = handles_out[0]._hint if len(handles_out) == 1 else Any
        self._replaceable = trace.replaceable
        return compile_recording(trace.recording(tuple(handle._id for handle in handles_out), returns))

    def _record(self, trace: Trace, arguments: dict[str, Any]) -> Any:
        """Run the body with these arguments; gives what it returns, checked."""
        bound = self._parameters.bind_partial()
        bound.arguments = {
            name: as_stream(trace, value) if is_stream(self.callee.parameters[name].hint) else value
            for name, value in arguments.items()
        }
        with trace.replacing(self._replacements):
            result = self._body(*bound.args, **bound.kwargs)
        for handle in outputs_of(self._where, self.callee, result)[0]:
            trace._check_own(handle)
        return result


class PipelineMaker(Protocol):
    """What `pipeline("name")` gives: it makes a pipeline of the body that it decorates."""

    def __call__(self, body: Callable[P, R], /) -> Pipeline[P, R]: ...


@overload
def pipeline(body: Callable[P, R], /) -> Pipeline[P, R]: ...
@overload
def pipeline(name: str, /) -> PipelineMaker: ...
@overload
def pipeline(
    name: str, /, *, steps: Iterable[object], params: None = None, returns: Returned = None
) -> Pipeline[[], Any]: ...
@overload
def pipeline(
    name: str, /, *, steps: Iterable[object], params: Callable[P, Q], returns: Returned = None
) -> WiredPipeline[P, Q]: ...
@overload
def pipeline(  # pyright: ignore[reportOverlappingOverload]  # a TypedDict is no such callable to pyright
    name: str, /, *, steps: Iterable[object], params: type[Q], returns: Returned = None
) -> WiredPipeline[..., Q]: ...
def pipeline(  # noqa: D417  # its arguments are those of the overloads
    body_or_name: Any, /, *, steps: Any = None, params: Any = None, returns: Any = None
) -> Any:
    """Record a pipeline body: `@pipeline` or `@pipeline("name")`; or wire steps by name: `pipeline("name", steps=...)`.

    A body runs once, now, with handles in place of data. It may return a value, a stream, a tuple of values, or
    nothing; every step that it calls is run, whether its result is returned or not. What can be decorated is valid.

    Wiring by name writes the body: each parameter of a step is the data set of its name, a parameter of the pipeline
    or what the step of that name gives, and its hint says how it is taken. A stream of `T` is taken item by item by a
    parameter hinted `T`, as it comes by `Iterator[T]`, and all in one by `list[T]`, `set[T]`, `frozenset[T]`,
    `tuple[T, ...]`, or `dict[K, V]` if it is one of pairs. `page`, `pages` and `pages_list` are one name.

    Args:
        body: The function that is recorded.
        name: What the pipeline is called; default: the name of the body.
        steps: Steps, functions, pipelines, and what `include` gives, in any order. To type checkers they are objects,
            since a list of functions of several kinds is a list of objects to them.
        params: The parameters of the pipeline: a class with a field for each, such as a NamedTuple or a dataclass.
            `run` takes its fields, or an instance. A step that is to have them all hints a parameter with the class.
        returns: The name of the step whose result the pipeline gives, or a tuple of names; default: those that no other
            step reads.

    Raises: BuildError: the body or the wiring is wrong; the message says where, what, and how to mend it.

    >>> from headrace import Stream, pipeline, step, stream
    >>> @step
    ... def total(numbers: list[int]) -> int:
    ...     return sum(numbers)
    >>> @pipeline
    ... def letters(words: list[str]) -> int:
    ...     return total(stream(words).map(len).collect())
    >>> letters.run(["to", "not"])
    5

    >>> from typing import NamedTuple
    >>> class Text(NamedTuple):
    ...     words: list[str]
    >>> def number(word: str) -> int:
    ...     return len(word)
    >>> letters = pipeline("letters", steps=[number, total], params=Text)
    >>> letters.run(["to", "not"]), letters.run(Text(["be"]))
    (5, 2)
    """
    if steps is not None or params is not None or returns is not None:
        return _wired(body_or_name, steps, params, returns)
    if isinstance(body_or_name, str):
        return functools.partial(_made, checked_name(body_or_name, called_at(), "pipeline"))
    return _made(None, body_or_name)


def _wired(name: Any, steps: Any, params: Any, returns: Any) -> Any:
    from headrace.dsl.autowire import wired

    place = called_at()
    if steps is None:
        raise WiringError(
            f"pipeline {name!r} ({place}): takes params and returns only together with steps; give steps=[...]"
        )
    return wired(checked_name(name, place, "pipeline"), place, steps, params, returns)


def _made(name: str | None, body: Any) -> Pipeline[Any, Any]:
    if not inspect.isroutine(body):
        raise WiringError(
            f"pipeline{'' if name is None else f' {name!r}'} ({called_at()}): needs a function, got "
            f"{shown(body)}; decorate a function"
        )
    callee = read(body, name)
    where = f"pipeline '{callee.name}' ({callee.where})"
    _check_body(where, body)
    _check_parameters(where, callee)
    made: Pipeline[Any, Any] = Pipeline(callee.name, callee, functools.partial(_in_its_own_lines, body))
    functools.update_wrapper(made, body, updated=())
    made._program  # noqa: B018  # compiled here: what can be decorated is valid
    return made


def _in_its_own_lines(body: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a body that somebody wrote: the calls in it stand in its lines, wherever the pipeline is used."""
    trace = current_trace()
    assert trace is not None  # a body runs within one
    with trace.at(None):
        return body(*args, **kwargs)


def _check_body(where: str, body: Any) -> None:
    if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise WiringError(
            f"{where}: needs a plain function, got a generator; return a stream instead, or decorate it with @step"
        )
    if inspect.iscoroutinefunction(body):
        raise WiringError(
            f"{where}: needs a plain function, got an async one; the body only records, so leave out async"
        )


def _check_parameters(where: str, callee: Callee) -> None:
    """A pipeline has a node for each parameter, so it must be known how many there are."""
    for parameter in callee.parameters.values():
        if parameter.variadic:
            raise WiringError(
                f"{where}: must know its parameters to be run by itself, got '{parameter.name}', which "
                f"takes any number of arguments; name each parameter (called at {called_at()})"
            )


def outputs_of(where: str, callee: Callee, result: Any) -> tuple[tuple[Handle, ...], Returns]:
    """What a body returned: its handles, and as what."""
    if result is None:
        _check_result(where, callee, "nothing", type(None))
        return (), "nothing"
    if isinstance(result, Stream):
        _check_stream(where, callee, result)
        return (result,), "stream"
    if isinstance(result, Value):
        _check_result(where, callee, f"the value {describe(result._hint)}", result._hint)
        return (result,), "value"
    if _is_values(result):
        hint = tuple_of(tuple(one._hint for one in result))
        _check_result(where, callee, f"the values {describe(hint)}", hint)
        return result, "tuple"
    if isinstance(result, tuple) and any(isinstance(one, Stream) for one in result):
        raise HandleError(f"{where}: must return a tuple of values only, got a stream in it; add .collect()")
    raise HandleError(
        f"{where}: must return what a step gives, got {result!r}; return a value, a stream, a tuple of "
        "values, or nothing"
    )


def _is_values(result: Any) -> TypeGuard[tuple[Value, ...]]:
    return isinstance(result, tuple) and bool(result) and all(isinstance(one, Value) for one in result)


def _check_stream(where: str, callee: Callee, result: Stream[Any]) -> None:
    given = describe(result._hint)
    if not takes_stream(callee.returns, result._hint):
        raise HintError(
            f"{where}: is hinted to return {describe(callee.returns)}, got a stream of {given}; "
            f"add .collect(), or hint it as Stream[{given}]"
        )
    wanted = item_of(callee.returns)
    if not fits(result._hint, wanted):
        raise HintError(
            f"{where}: is hinted to return a stream of {describe(wanted)}, got a stream of {given}; "
            "change the hint or what is returned"
        )


def _check_result(where: str, callee: Callee, got: str, hint: Any) -> None:
    wanted = callee.returns
    if is_stream(wanted) or not fits(hint, wanted):
        fix = "return it" if got == "nothing" else "change the hint or what is returned"
        stated = f"a stream of {describe(item_of(wanted))}" if is_stream(wanted) else describe(wanted)
        raise HintError(f"{where}: is hinted to return {stated}, got {got}; {fix}")


def checked_arguments(where: str, callee: Callee, trace: Trace, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of a use of a pipeline in a body, by parameter."""
    signature = callee.signature or inspect.Signature()
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise WiringError(f"{where}: {unbound(error, signature, args, kwargs)} (called at {trace.here()})") from None
    for name, argument in bound.arguments.items():
        _check_argument(where, callee.parameters[name], argument, trace)
    bound.apply_defaults()
    return dict(bound.arguments)


def _check_argument(where: str, parameter: Parameter, argument: Any, trace: Trace) -> None:
    wanted = parameter.hint
    if isinstance(argument, Handle):
        trace._check_own(argument)
        got = f"{_described(argument)} from {trace.drafts[argument._id]}"
        right = _handle_fits(argument, wanted)
    else:
        got = shown(argument)
        right = holds(argument, wanted)
    if not right:
        asked = describe(wanted)
        fix = f"give it {asked}, or change the hint"
        if isinstance(argument, Stream) and not takes_stream(wanted, argument._hint):
            collected = "add .collect(), or " if iterates(wanted) else ""
            fix = f"{collected}hint the parameter as Stream[{describe(argument._hint)}]"
        raise HintError(f"{where}: takes {asked} as '{parameter.name}', got {got}; {fix} (called at {trace.here()})")


def _handle_fits(handle: Handle, wanted: Any) -> bool:
    if isinstance(handle, Stream):
        return takes_stream(wanted, handle._hint) and fits(handle._hint, item_of(wanted))
    if is_stream(wanted):  # it is made one, as `stream` does
        return iterates(handle._hint) and fits(item_of(handle._hint), item_of(wanted))
    return fits(handle._hint, wanted)


def _described(handle: Handle) -> str:
    hint = describe(handle._hint)
    return f"a stream of {hint}" if isinstance(handle, Stream) else hint


# -- straight lines ------------------------------------------------------------------------------------------


class Joined(NamedTuple):
    """The parts of a line, from the newest back: one that is made longer shares them with the longer one."""

    first: Flow[Any, Any]
    before: Joined | None
    newest: Flow[Any, Any]
    place: str

    @property
    def parts(self) -> list[tuple[Flow[Any, Any], str]]:
        """From the first on."""
        found, each = [], cast("Joined | None", self)
        while each is not None:
            found.append((each.newest, each.place))
            each = each.before
        return found[::-1]


class Line(Pipeline[P, R_co]):
    """A pipeline made by `|`: its parts, each with the line of code that joined it."""

    def __init__(self, before: Joined, newest: Flow[Any, Any], place: str, last: Handle) -> None:
        self._joined = Joined(before.first, before, newest, place)
        self._joined_at = place
        self._last = last  # stands for what the line gives: its kind and type
        name = f"{before.first.name}_to_{newest.name}"
        super().__init__(name, without_result(before.first.callee), self._run_parts)

    @property
    def _where(self) -> str:
        return f"pipeline '{self.name}' ({self._joined_at})"

    def _run_parts(self, *args: Any, **kwargs: Any) -> Any:
        trace = current_trace()
        assert trace is not None  # Pipeline records within one
        (first, _), *rest = self._joined.parts
        result = _by_itself(first)(*args, **kwargs)
        for part, place in rest:
            with trace.at(place):
                result = attach(trace, result, part)
        return result


def join(left: Flow[Any, Any], right: Any) -> Pipeline[Any, Any]:
    """The line of `left` and then `right`. Only the new joint is checked; the rest was when it was made.

    Raises: BuildError: `left` gives no stream, or `right` does not take its items.
    """
    place = called_at()
    if not callable(right):
        raise WiringError(
            f"{left._where}: needs a step, a pipeline or a function after |, got {shown(right)}; "
            f"pass the function itself (called at {place})"
        )
    part = right if isinstance(right, Flow) else as_step(right)
    trace = Trace(left.name, Stream)
    stand_in = _stand_in(trace, left, place)
    with tracing(trace):
        last = attach(trace, stand_in, part)
    check(trace.drafts)
    _check_parameters(left._where, left.callee)
    return Line(left._joined if _is_open(left) else Joined(left, None, left, place), part, place, last)


def _is_open(flow: Flow[Any, Any]) -> TypeGuard[Line[Any, Any]]:
    """Whether its parts may become parts of a longer line. Where some are replaced, they belong together."""
    return isinstance(flow, Line) and not flow._replacements


def _stand_in(trace: Trace, left: Flow[Any, Any], place: str) -> Stream[Any]:
    """A stream of the type that `left` gives."""
    last = left._joined.newest if _is_open(left) else left
    if _is_open(left):
        streams, hint = isinstance(left._last, Stream), left._last._hint
    elif isinstance(left, Step):
        streams, hint = left.callee.streams, left.callee.result
    else:
        streams, hint = left._program.dag.returns == "stream", cast("Pipeline[Any, Any]", left)._output_hint
    if not streams:
        raise WiringError(
            f"{last._where}: gives a value, which cannot be read item by item; only the last part of a "
            f"line may give a value: make it a generator, or end the line here (called at {place})"
        )
    draft = Draft(f"{last.name}/output", last.name, "source", "stream", hint, where=last.callee.where, called=place)
    return cast("Stream[Any]", trace.add(draft))


def attach(trace: Trace, stream: Any, part: Flow[Any, Any]) -> Any:
    """Let `part` read `stream`: whole if its first parameter asks for an iterator, else item by item."""
    if takes_whole(part):
        return part(stream)
    if isinstance(part, Step):
        kind: Kind = "flat_map" if part.callee.streams else "map"
        return trace.per_item(kind, stream, part.callee, part.function, part.settings)
    if isinstance(part, Line):
        with trace.inside(part.name), trace.replacing(part._replacements):
            return _attach_line(trace, stream, part)
    from headrace.dsl.lift import lift

    kind = "flat_map" if part._program.dag.returns == "stream" else "map"
    return lift(trace, kind, cast("Pipeline[Any, Any]", part), stream, (), {})


def _attach_line(trace: Trace, stream: Any, line: Line[Any, Any]) -> Any:
    for part, _ in line._joined.parts:
        stream = attach(trace, stream, part)
    return stream


def takes_whole(part: Flow[Any, Any]) -> bool:
    """Whether `|` gives it the whole stream, and not item after item."""
    first = next(iter(part.callee.parameters.values()), None)
    if isinstance(part, Step) and part.settings.mode is not None:
        return part.settings.mode == "all"
    if first is None:
        return isinstance(part, Step) and part.function in COLLECTORS
    return first.hint not in (Any, object) and not isinstance(first.hint, TypeVar) and takes_stream(first.hint, Any)


COLLECTORS = (set, frozenset, dict, min, max)  # they take an iterable, but have no signature that says so


def without_result(callee: Callee) -> Callee:
    """The same parameters, and nothing said about the result."""
    return msgspec.structs.replace(callee, returns=Any, result=Any, streams=False)


def pipeline_of_step(step: Step[Any, Any]) -> Pipeline[Any, Any]:
    """The pipeline that is only this step."""
    _check_parameters(step._where, step.callee)
    return Pipeline(step.name, without_result(step.callee), _by_itself(step))


def _by_itself(flow: Flow[P, R]) -> Flow[P, R]:
    """A step that is called per item in a pipeline, but once where it begins one."""
    return flow.options(mode=None) if isinstance(flow, Step) and flow.settings.mode == "each" else flow
