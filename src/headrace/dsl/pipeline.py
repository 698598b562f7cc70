"""`@pipeline` and `|`: recording a body once, and putting pipelines into pipelines."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from headrace.dsl.flow import Flow
from headrace.dsl.step import Step, as_step, checked_name
from headrace.dsl.stream import Stream, as_stream
from headrace.dsl.trace import Handle, Trace, Value, called_at, current_trace, tracing
from headrace.errors import HandleError, HintError, WiringError
from headrace.graph.check import check
from headrace.graph.compile import compile_recording
from headrace.graph.dag import Program
from headrace.graph.draft import Draft
from headrace.graph.hints import Callee, Parameter, describe, fits, holds, is_stream, item_of, place_of, read, takes_stream

__all__ = ["Pipeline", "join", "pipeline", "pipeline_of_step"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Pipeline(Flow[P, R_co]):
    """A recorded pipeline: run it, join it with `|`, or call it in the body of another.

    Made by `pipeline` and by `|`; not by hand.

    >>> from headrace import Stream, pipeline, stream
    >>> @pipeline
    ... def lengths(words: list[str]) -> Stream[int]:
    ...     return stream(words).map(len)
    >>> lengths, lengths.run(["to", "not"])
    (<pipeline 'lengths'>, [2, 3])
    """

    def __init__(self, name: str, callee: Callee, body: Callable[..., Any]) -> None:
        self.name = name
        self._callee = callee
        self._body = body
        self._output_hint: Any = Any

    def __repr__(self) -> str:
        return f"<pipeline '{self.name}'>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """In the body of another pipeline: put this one in its place there.

        Raises:
            WiringError: the arguments do not fit, or there is no body around the call: use `run` or `iter`.
        """
        trace = current_trace()
        if trace is None:
            raise WiringError(
                f"pipeline '{self.name}' ({called_at()}): was called outside of a pipeline body; "
                "use .run(...) for its result or .iter(...) for its items one by one"
            )
        arguments = _checked_arguments(self._callee, trace, args, kwargs)
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
        copy = Pipeline[P, R_co].__new__(type(self))
        copy.__dict__.update({key: value for key, value in vars(self).items() if key != "_program"})
        copy.name = checked_name(name, called_at())
        return copy

    @functools.cached_property
    def _program(self) -> Program:
        trace = Trace(self.name, Stream)
        with tracing(trace):
            parameters = self._callee.parameters.values()
            handles = {each.name: trace.parameter(each.name, each.hint, self._callee.where) for each in parameters}
            result = self._record(trace, handles)
        handles_out, returns = _outputs(self._callee, result)
        self._output_hint = handles_out[0]._hint if len(handles_out) == 1 else Any
        return compile_recording(trace.recording(tuple(handle._id for handle in handles_out), returns))

    @property
    def _parameters(self) -> inspect.Signature:
        return self._callee.signature or inspect.Signature()

    def _record(self, trace: Trace, arguments: dict[str, Any]) -> Any:
        """Run the body with these arguments; gives what it returns, checked."""
        given = {
            name: as_stream(trace, value) if is_stream(self._callee.parameters[name].hint) else value
            for name, value in arguments.items()
        }
        bound = inspect.BoundArguments(self._parameters, given)  # type: ignore[arg-type]  # it takes any mapping
        result = self._body(*bound.args, **bound.kwargs)
        _outputs(self._callee, result)
        return result


class PipelineMaker(Protocol):
    """What `pipeline("name")` gives: it makes a pipeline of the body that it decorates."""

    def __call__(self, body: Callable[P, R], /) -> Pipeline[P, R]: ...


@overload
def pipeline(body: Callable[P, R], /) -> Pipeline[P, R]: ...
@overload
def pipeline(name: str, /) -> PipelineMaker: ...
def pipeline(body_or_name: Any, /) -> Any:
    """Record a pipeline body: `@pipeline` or `@pipeline("name")`. What can be decorated is valid.

    The body runs once, now, with handles in place of data. It may return a value, a stream, a tuple of values, or
    nothing; every step that it calls is run, whether its result is returned or not.

    Raises: BuildError: the body is wrong; the message says where, what, and how to mend it.

    >>> from headrace import Stream, pipeline, step, stream
    >>> @step
    ... def total(numbers: list[int]) -> int:
    ...     return sum(numbers)
    >>> @pipeline
    ... def letters(words: list[str]) -> int:
    ...     return total(stream(words).map(len).collect())
    >>> letters.run(["to", "not"])
    5
    """
    if isinstance(body_or_name, str):
        return functools.partial(_made, checked_name(body_or_name, called_at()))
    return _made(None, body_or_name)


def _made(name: str | None, body: Any) -> Pipeline[Any, Any]:
    if not inspect.isroutine(body):
        raise WiringError(f"pipeline ({called_at()}): needs a function, got {body!r}; decorate a function")
    callee = read(body, name)
    _check_body(callee, body)
    made: Pipeline[Any, Any] = Pipeline(callee.name, callee, body)
    functools.update_wrapper(made, body, updated=())
    made._program  # noqa: B018  # compiled here: what can be decorated is valid
    return made


def _check_body(callee: Callee, body: Any) -> None:
    where = f"pipeline '{callee.name}' ({callee.where})"
    if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise WiringError(f"{where}: the body is a generator; return a stream instead, or decorate it with @step")
    if inspect.iscoroutinefunction(body):
        raise WiringError(f"{where}: the body is async, but it only records; make it a plain function")
    for parameter in callee.parameters.values():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise WiringError(f"{where}: '{parameter.name}' takes any number of arguments; name each parameter")


def _outputs(callee: Callee, result: Any) -> tuple[tuple[Handle, ...], str]:
    """What a body returned: its handles, and as what."""
    where = f"pipeline '{callee.name}' ({callee.where})"
    if result is None:
        return (), "nothing"
    if isinstance(result, Stream):
        _check_result(where, callee, result)
        return (result,), "stream"
    if isinstance(result, Value):
        _check_result(where, callee, result)
        return (result,), "value"
    if isinstance(result, tuple) and result and all(isinstance(one, Value) for one in result):
        return result, "tuple"
    if isinstance(result, tuple) and any(isinstance(one, Stream) for one in result):
        raise HandleError(f"{where}: returns a tuple with a stream in it; a tuple is of values: add .collect()")
    raise HandleError(
        f"{where}: returns {result!r}; return what a step gives: a value, a stream, a tuple of values, or nothing"
    )


def _check_result(where: str, callee: Callee, result: Handle) -> None:
    wanted = callee.result
    if isinstance(result, Stream):
        stated = item_of(wanted) if not callee.streams else wanted
        if not callee.streams and not takes_stream(wanted, result._hint):
            raise HintError(
                f"{where}: is hinted to return {describe(wanted)}, got a stream of {describe(result._hint)}; "
                f"add .collect(), or hint it as Stream[{describe(result._hint)}]"
            )
        if not fits(result._hint, stated):
            raise HintError(
                f"{where}: is hinted to return a stream of {describe(stated)}, got one of {describe(result._hint)}; "
                "change the hint or what is returned"
            )
    elif callee.streams or not fits(result._hint, wanted):
        stated_text = f"a stream of {describe(wanted)}" if callee.streams else describe(wanted)
        raise HintError(
            f"{where}: is hinted to return {stated_text}, got the value {describe(result._hint)}; "
            "change the hint or what is returned"
        )


def _checked_arguments(callee: Callee, trace: Trace, args: Any, kwargs: Any) -> dict[str, Any]:
    where = f"pipeline '{callee.name}' ({called_at()})"
    signature = callee.signature or inspect.Signature()
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise WiringError(f"{where}: {error}; it takes {signature}") from None
    bound.apply_defaults()
    for name, argument in bound.arguments.items():
        _check_argument(where, callee.parameters[name], argument, trace)
    return dict(bound.arguments)


def _check_argument(where: str, parameter: Parameter, argument: Any, trace: Trace) -> None:
    wanted = parameter.hint
    if not isinstance(argument, Handle):
        if not is_stream(wanted) and not holds(argument, wanted):
            raise HintError(f"{where}: takes {describe(wanted)} as '{parameter.name}', got {argument!r}; give it that")
        return
    trace._check_own(argument)
    if isinstance(argument, Stream):
        if not takes_stream(wanted, argument._hint):
            raise HintError(
                f"{where}: takes {describe(wanted)} as '{parameter.name}', got a stream of {describe(argument._hint)}; "
                "add .collect(), or hint the parameter as Stream[...]"
            )
        wanted = item_of(wanted)
    elif is_stream(wanted):
        wanted = Any
    if not fits(argument._hint, wanted):
        raise HintError(
            f"{where}: takes {describe(parameter.hint)} as '{parameter.name}', got {describe(argument._hint)} from "
            f"'{argument._id}'; give it {describe(parameter.hint)}, or change the hint"
        )


# -- straight lines --------------------------------------------------------------------------------------------


class Line(Pipeline[P, R_co]):
    """A pipeline made by `|`: its parts, each with the line of code that joined it."""

    def __init__(self, parts: Sequence[tuple[Flow[Any, Any], str]], last: Handle) -> None:
        first = parts[0][0]
        callee = first._callee if isinstance(first, Pipeline) else cast("Step[Any, Any]", first).callee
        self._parts = tuple(parts)
        self._last = last  # stands for what the line gives: its kind and type
        super().__init__(f"{first.name}_to_{parts[-1][0].name}", _without_result(callee), self._run_parts)

    def _run_parts(self, *args: Any, **kwargs: Any) -> Any:
        trace = current_trace()
        assert trace is not None  # Pipeline records within one
        (first, _), *rest = self._parts
        result = first(*args, **kwargs)  # type: ignore[operator]  # steps and pipelines can both be called
        for part, place in rest:
            trace.place = place
            result = attach(trace, result, part)
        trace.place = None
        return result


def join(left: Flow[Any, Any], right: Any) -> Pipeline[Any, Any]:
    """The line of `left` and then `right`. Only the new joint is checked; the rest was when it was made.

    Raises: BuildError: `left` gives no stream, or `right` does not take its items.
    """
    place = called_at()
    if not callable(right):
        raise WiringError(f"'{left.name}' | ... ({place}): needs a step, a pipeline or a function, got {right!r}")
    part = right if isinstance(right, Flow) else as_step(right)
    trace = Trace(left.name, Stream)
    stand_in = _stand_in(trace, left, place)
    with tracing(trace):
        last = attach(trace, stand_in, part)
    check(trace.drafts)
    parts = left._parts if isinstance(left, Line) else ((left, place),)
    return Line((*parts, (part, place)), last)


def _stand_in(trace: Trace, left: Flow[Any, Any], place: str) -> Stream[Any]:
    """A stream of the type that `left` gives."""
    name, where = left.name, ""
    if isinstance(left, Line):
        streams, hint = isinstance(left._last, Stream), left._last._hint
        name = left._parts[-1][0].name
    elif isinstance(left, Step):
        streams, hint, where = left.callee.streams, left.callee.result, left.callee.where
    else:
        output = left._program.dag.returns
        streams, hint = output == "stream", cast("Pipeline[Any, Any]", left)._output_hint
    if not streams:
        raise WiringError(
            f"step '{name}' ({where or place}): gives a value, which cannot be read item by item (at {place}); only the "
            "last part of a line may give a value: make it a generator, or end the line here"
        )
    draft = Draft(f"{name}/output", name, "source", "stream", hint, where=where or "built-in", called=place)
    return cast("Stream[Any]", trace.add(draft))


def attach(trace: Trace, stream: Any, part: Flow[Any, Any]) -> Any:
    """Let `part` read `stream`: whole if its first parameter asks for an iterator, else item by item."""
    callee = part._callee if isinstance(part, Pipeline) else cast("Step[Any, Any]", part).callee
    first = next(iter(callee.parameters.values()), None)
    if first is not None and takes_whole(first.hint):
        return part(stream)  # type: ignore[operator]
    if isinstance(part, Step):
        kind = "flat_map" if part.callee.streams else "map"
        return trace.per_item(kind, stream, part.callee, part.function, part.settings)
    if isinstance(part, Line):
        with trace.inside(part.name):
            return _attach_line(trace, stream, part)
    raise WiringError(
        f"pipeline '{part.name}' ({trace.here()}): cannot be joined with | because its first parameter is not a stream; "
        "hint it as Stream[...], or join its steps"
    )


def _attach_line(trace: Trace, stream: Any, line: Line[Any, Any]) -> Any:
    for part, _ in line._parts:
        stream = attach(trace, stream, part)
    return stream


def takes_whole(hint: Any) -> bool:
    """Whether a parameter of that hint is given whole streams by `|`."""
    return hint is not Any and hint is not object and takes_stream(hint, Any) and not isinstance(hint, TypeVar)


def _without_result(callee: Callee) -> Callee:
    return replace(callee, result=Any, streams=False)


def pipeline_of_step(step: Step[Any, Any]) -> Pipeline[Any, Any]:
    """The pipeline that is only this step."""
    return Pipeline(step.name, _without_result(step.callee), step)
