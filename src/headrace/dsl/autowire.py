"""Wiring by name: from a plan to the calls that a body written by hand would make.

Lives here: the pipelines that `pipeline(name, steps=...)` makes, and how they are recorded. Must not live here: what a
name means (plan.py), how a hint takes data (delivery.py), or how a call becomes a node (trace.py).

The rules:

1. What a step takes item by item from several streams is zipped, in the order of its parameters.
2. Each reader of a value that can be iterated has a stream of its own, so that none holds up another. A parameter that
   is an iterator can be read only once, so all its readers share one stream.
3. All that want the same collection of a stream share it: it is collected once.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, cast, overload

import msgspec

from headrace.dsl.binding import ITEM
from headrace.dsl.delivery import Way, is_collection, way_of_stream, way_of_value
from headrace.dsl.handle import Handle, Value
from headrace.dsl.lift import Part as Field
from headrace.dsl.lift import lift_here, parts_of
from headrace.dsl.params import Fresh, fields_of, getter, has_fields, signature_of
from headrace.dsl.pipeline import Pipeline, checked_arguments, without_result
from headrace.dsl.plan import WHOLE, Part, Plan, planned
from headrace.dsl.step import Step
from headrace.dsl.stream import Stream, as_stream, zipped
from headrace.dsl.trace import Trace, current_trace
from headrace.errors import HintError, WiringError
from headrace.graph.callee import Callee, read
from headrace.graph.dag import Kind
from headrace.graph.draft import Given
from headrace.graph.hints import describe, fits, is_lazy, is_stream, item_of, iterates
from headrace.graph.options import Mode, Options

if TYPE_CHECKING:
    from headrace.dsl.flow import AsyncItems, Items

__all__ = ["WiredPipeline", "wired"]

P = ParamSpec("P")
Q = TypeVar("Q")


def wired(name: str, place: str, steps: Any, params: Any, returns: Any) -> WiredPipeline[Any, Any]:
    """The pipeline of these steps, compiled.

    Raises: BuildError: they cannot be wired.
    """
    plan = planned(f"pipeline '{name}' ({place})", place, steps, params, returns)
    made: WiredPipeline[Any, Any] = WiredPipeline(name, plan, params)
    made._program  # noqa: B018  # compiled here: what is made is valid
    return made


class WiredPipeline(Pipeline[P, Any], Generic[P, Q]):
    """A pipeline that is wired by name. `run` takes the fields of its params, or an instance of them."""

    def __init__(self, name: str, plan: Plan, params: Any) -> None:
        self._plan = plan
        self._params = params
        super().__init__(name, _callee(name, plan, params), self._record_plan)

    if TYPE_CHECKING:  # an instance of the params may stand in the place of the arguments

        @overload
        def run(self, params: Q, /) -> Any: ...
        @overload
        def run(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...
        def run(self, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102  # pyright: ignore[reportIncompatibleMethodOverride]

        @overload
        def iter(self, params: Q, /) -> Items[Any]: ...
        @overload
        def iter(self, *args: P.args, **kwargs: P.kwargs) -> Items[Any]: ...
        def iter(self, *args: Any, **kwargs: Any) -> Items[Any]: ...  # noqa: D102  # as in Flow

        @overload
        def arun(self, params: Q, /) -> Coroutine[Any, Any, Any]: ...
        @overload
        def arun(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Any]: ...
        def arun(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]: ...  # noqa: D102  # pyright: ignore[reportIncompatibleMethodOverride]

        @overload
        def aiter(self, params: Q, /) -> AsyncItems[Any]: ...
        @overload
        def aiter(self, *args: P.args, **kwargs: P.kwargs) -> AsyncItems[Any]: ...
        def aiter(self, *args: Any, **kwargs: Any) -> AsyncItems[Any]: ...  # noqa: D102  # as in Flow

    def _record_plan(self, *args: Any, **kwargs: Any) -> Any:
        trace = current_trace()
        assert trace is not None  # Pipeline records within one
        given = self._parameters.bind_partial(*args, **kwargs).arguments
        with trace.at(self._plan.place):
            return Recorder(self._plan, trace, self._params).record(given)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        made = self._plan.params
        if made is None:
            return super()._bind(args, kwargs)
        if len(args) == 1 and not kwargs and _is_instance(args[0], self._params, made):
            whole = args[0]
        else:
            bound = self._bound(args, kwargs)
            given = {name: value for name, value in bound.arguments.items() if not isinstance(value, Fresh)}
            args, kwargs = _placed(made, given)
            whole = self._params(*args, **kwargs)
        return {f"{self.name}({name})": value for name, value in fields_of(whole, made.parameters).items()}


def _is_instance(given: Any, params: Any, made: Callee) -> bool:
    if typing.is_typeddict(params):
        return isinstance(given, dict) and given.keys() == made.parameters.keys()
    return isinstance(given, params)


def _callee(name: str, plan: Plan, params: Any) -> Callee:
    """The parameters of the pipeline, as those of a function."""
    made = plan.params
    if made is None:
        return Callee(name, plan.place, inspect.Signature(), {}, Any, Any, streams=False, is_async=False)
    signature = signature_of(params, made)
    return without_result(msgspec.structs.replace(made, name=name, where=plan.place, signature=signature))


# -- recording -----------------------------------------------------------------------------------------------


class Data(NamedTuple):
    """A data set while it is recorded: its handle, and its type (or its items')."""

    thing: Any
    hint: Any


class Recorder:
    """Makes the calls of one pipeline body."""

    def __init__(self, plan: Plan, trace: Trace, params: Any) -> None:
        self.plan = plan
        self.trace = trace
        self.params = params
        self.data: dict[str, Data] = {}
        self.collections: dict[tuple[str, Any], Any] = {}

    def record(self, arguments: Mapping[str, Any]) -> Any:
        """Make all calls; gives what the body returns."""
        for name, argument in arguments.items():
            self.data[name] = self._parameter(name, argument)
        for part in self.plan.parts:
            made = self._recorded(part)
            self.data[part.name] = Data(made, made._hint if isinstance(made, Handle) else Any)
        return self._result()

    # -- data sets ---------------------------------------------------------------------------------------------

    def _parameter(self, name: str, given: Any) -> Data:
        assert self.plan.params is not None  # there is one
        hint = self.plan.params.parameters[name].hint
        if isinstance(given, Fresh):
            given = self.trace.call(read(given.make, name), given.make, Options(), (), {})
        if is_lazy(hint) and iterates(hint) and self.plan.readers[name] > 1:
            given = as_stream(self.trace, given)
        return Data(given, given._hint if isinstance(given, Stream) else hint)

    def _source(self, name: str) -> Data:
        if name not in self.data:  # all parameters in one, which is made when it is first needed
            made = self.plan.params
            assert made is not None
            args, kwargs = _placed(made, {each: self.data[each].thing for each in made.parameters})
            self.data[name] = Data(self.trace.call(made, self.params, Options(), args, kwargs), self.params)
        return self.data[name]

    def _stream(self, name: str) -> Stream[Any]:
        return as_stream(self.trace, self._source(name).thing)

    def _collected(self, name: str, into: Any) -> Any:
        if (name, into) not in self.collections:
            self.collections[name, into] = self._stream(name).collect(into)
        return self.collections[name, into]

    def _taken(self, name: str, way: Way) -> Any:
        """What a parameter is given; if it is to get one item at a time, the stream of them."""
        if way.how == "value":
            return self._source(name).thing
        return self._collected(name, way.into) if way.how == "collected" else self._stream(name)

    # -- ways --------------------------------------------------------------------------------------------------

    def _ways(self, part: Part) -> dict[str, Way]:
        """How each parameter takes what it means."""
        reader = part.reader
        mode = reader.settings.mode if isinstance(reader, Step) else None
        ways = {name: self._way(part, name, mode, None if mode == "each" else mode) for name in part.sources}
        if mode == "each" and not _any_item(ways):  # then it is the items of a value that are meant
            ways = {name: self._way(part, name, mode, mode) for name in part.sources}
            if not _any_item(ways):
                raise WiringError(
                    f"{part}: mode='each' asks for a call for each item of a stream, got no parameter that takes one "
                    f"item; hint one with the type of the items, or leave mode out (called at {self.plan.place})"
                )
        return ways

    def _way(self, part: Part, name: str, mode: Mode | None, mode_of_values: Mode | None) -> Way:
        hint, source = part.reader.callee.parameters[name].hint, part.sources[name]
        data = self._source(source)
        if isinstance(data.thing, Stream):
            way = way_of_stream(hint, data.hint, mode)
        elif data.thing is None or isinstance(data.thing, tuple):
            raise self._no_data(part, name, data.thing)
        elif source == WHOLE or (isinstance(part.reader, Pipeline) and is_stream(hint) and is_collection(data.hint)):
            return Way("value")  # a pipeline makes its own stream of it
        else:
            way = way_of_value(hint, data.hint, mode_of_values)
        if way is None:
            raise self._misfit(part, name, mode)
        return way

    def _no_data(self, part: Part, name: str, given: Any) -> WiringError:
        gives, fix = ("nothing", "return something") if given is None else ("several values", "return one of them")
        return WiringError(
            f"{part}: takes '{name}', got {self.plan.owners[part.sources[name]]}, which gives {gives}; {fix} there, or "
            f"leave the parameter out (called at {self.plan.place})"
        )

    def _misfit(self, part: Part, name: str, mode: Mode | None) -> HintError:
        source = part.sources[name]
        data, hint = self._source(source), describe(part.reader.callee.parameters[name].hint)
        given = describe(data.hint)
        if isinstance(data.thing, Stream):
            got = f"a stream of {given}"
            fix = f"hint it as {given} for a call per item, as Iterator[{given}] or list[{given}] for all of them"
            if mode == "all":
                fix = f"hint it as Iterator[{given}] or list[{given}], or leave mode='all' out"
        else:
            got, fix = given, f"give it {hint}, or hint it as {given}"
        return HintError(
            f"{part}: takes {hint} as '{name}', got {got} from {self.plan.owners[source]}; {fix} (called at "
            f"{self.plan.place})"
        )

    # -- calls -------------------------------------------------------------------------------------------------

    def _recorded(self, part: Part) -> Any:
        """What a step or sub-pipeline gives."""
        ways = self._ways(part)
        items = [name for name, way in ways.items() if way.how == "item"]
        self._check_one_pace(part, ways, items)
        given = {name: self._taken(part.sources[name], way) for name, way in ways.items()}
        if isinstance(part.flow, Step):
            return self._called(part.flow, given, items)
        sub = cast("Pipeline[Any, Any]", part.flow)
        with self.trace.inside(part.name):
            if part.adapter is not None:
                with self.trace.inside("adapter"):
                    given = self._adapted(part, sub, self._called(part.adapter, given, items))
                items = [name for name, thing in given.items() if isinstance(thing, Stream)]
            return self._included(sub, given, items)

    def _called(self, step: Step[Any, Any], given: dict[str, Any], items: list[str]) -> Any:
        """What the calls of a step give: one call, or one for each item of the streams that are given as `items`."""
        callee, function, settings = step.callee, step.function, step.settings
        if not items:
            return self.trace.call(callee, function, settings, *_placed(callee, given))
        kind: Kind = "flat_map" if callee.streams else "map"
        if len(items) == 1:
            stream, given[items[0]] = given[items[0]], ITEM
            return self.trace.per_item(kind, stream, callee, function, settings, *_placed(callee, given))
        together = zipped(self.trace, [given.pop(name) for name in items])
        if kind == "map" and not given and items == list(callee.parameters)[: len(items)]:
            return self.trace.spread(together, callee, function, settings)
        return self.trace.spread_over(kind, together, items, callee, function, settings, given)

    def _check_one_pace(self, part: Part, ways: Mapping[str, Way], items: list[str]) -> None:
        lazy = [name for name, way in ways.items() if way.how == "stream"]
        if items and lazy:
            item = describe(self._source(part.sources[lazy[0]]).hint)
            raise HintError(
                f"{part}: is called for each '{items[0]}', got '{lazy[0]}' as a stream, which can be read only once; "
                f"hint it as list[{item}] to have all of it in each call, or as {item} to have one item in each "
                f"(called at {self.plan.place})"
            )

    # -- sub-pipelines -----------------------------------------------------------------------------------------

    def _included(self, sub: Pipeline[Any, Any], given: Mapping[str, Any], items: list[str]) -> Any:
        """What a sub-pipeline gives: once, or for each item of the streams that are given as `items`."""
        one = {name: Value(self.trace, given[name]._id, given[name]._hint) for name in items}  # of each, by its type
        args, kwargs = _placed(sub.callee, {**given, **one})
        arguments = checked_arguments(sub._where, sub.callee, self.trace, args, kwargs)
        if not items:
            return sub._record(self.trace, arguments)
        kind: Kind = "flat_map" if sub._program.dag.returns == "stream" else "map"
        return lift_here(self.trace, kind, sub, {**arguments, **{name: given[name] for name in items}})

    def _adapted(self, part: Part, sub: Pipeline[Any, Any], made: Handle) -> dict[str, Any]:
        """The parameters of a sub-pipeline, from what its adapter makes: a value, or a stream of one for each run."""
        wanted = sub.callee.parameters
        only = next(iter(wanted.values())) if len(wanted) == 1 else None
        if only and (not _has_fields(made._hint) or (only.hint is not Any and fits(made._hint, only.hint))):
            return {only.name: made}
        if is_collection(made._hint) and not isinstance(made, Stream):
            made = as_stream(self.trace, made)
        fields = read(made._hint).parameters if has_fields(made._hint) else {}
        missing = [name for name, parameter in wanted.items() if parameter.required and name not in fields]
        unknown = [name for name in fields if name not in wanted]
        if missing or unknown or not wanted:
            raise self._no_params(part, sub, made, missing or unknown)
        return {name: self._field(made, name, field.hint) for name, field in fields.items()}

    def _field(self, made: Handle, name: str, hint: Any) -> Handle:
        get = getter(made._hint, name)
        if isinstance(made, Stream):
            [items] = parts_of(self.trace, made, [Field(self.trace.unique(name), get, name, hint)])
            return items
        given = Given("item", "value", made._id, hint=made._hint, wanted=made._hint)
        return self.trace.built_in("value", "value", hint, (given,), name, get)

    def _no_params(self, part: Part, sub: Pipeline[Any, Any], made: Handle, names: list[str]) -> WiringError:
        wanted = sub.callee.parameters
        fix = f"hint it to give a NamedTuple or dataclass with the fields {', '.join(wanted)}"
        if not wanted:
            fix = "leave fn out"
        elif has_fields(made._hint):
            fix = f"give it the fields {', '.join(wanted)}"
        which = f", which differs in {', '.join(map(repr, names))}" if has_fields(made._hint) and names else ""
        return WiringError(
            f"{part}: must give the parameters of {sub._where}, got {describe(made._hint)}{which}; {fix} (called at "
            f"{self.plan.place})"
        )

    # -- what comes out ----------------------------------------------------------------------------------------

    def _result(self) -> Any:
        returns = self.plan.returns
        if isinstance(returns, str):
            return self._output(returns)
        if returns is not None:
            return tuple(self._value(name) for name in returns) or None
        names = [part.name for part in self.plan.parts if not self.plan.readers[part.name] and self._gives(part.name)]
        if len(names) == 1:
            return self._output(names[0])
        return tuple(self._value(name) for name in names) or None

    def _gives(self, name: str) -> bool:
        thing, hint = self.data[name]
        return thing is not None and hint is not type(None)

    def _output(self, name: str) -> Any:
        if self.data[name].thing is None:
            raise WiringError(f"{self.plan.where}: returns {self.plan.owners[name]}, which gives nothing; leave it out")
        return self.data[name].thing

    def _value(self, name: str) -> Any:
        thing = self._output(name)
        return self._collected(name, list) if isinstance(thing, Stream) else thing


def _has_fields(hint: Any) -> bool:
    """Whether it is something with named fields, or a collection of such."""
    return has_fields(item_of(hint) if is_collection(hint) else hint)


def _any_item(ways: Mapping[str, Way]) -> bool:
    return any(way.how == "item" for way in ways.values())


def _placed(callee: Callee, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by name, as they are passed in a call: by position as far as that goes."""
    assert callee.signature is not None  # else nothing could be given by name
    bound = callee.signature.bind_partial()
    bound.arguments = dict(given)
    return bound.args, bound.kwargs
