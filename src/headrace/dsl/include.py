"""`include`: a pipeline in the steps of another, under a name of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headrace.dsl.flow import Flow
from headrace.dsl.handle import called_at
from headrace.dsl.pipeline import Pipeline, pipeline_of_step
from headrace.dsl.step import Step, as_step, checked_name
from headrace.errors import OptionError, WiringError
from headrace.graph.values import shown

__all__ = ["Include", "include"]


@dataclass(frozen=True, slots=True)
class Include:
    """A pipeline among the steps of another. Made by `include`; not by hand."""

    name: str
    pipeline: Pipeline[Any, Any]
    adapter: Step[Any, Any] | None
    place: str


def include(name: str, pipeline: Flow[..., Any], *, fn: Callable[..., Any] | None = None) -> Include:
    """Put a pipeline among the steps of another, which is wired by name: `name` is what its result is called there.

    Its parameters are bound by name, like those of a step. With `fn` it is the parameters of `fn` that are bound, and
    `fn` gives those of the pipeline: an instance of its params, another NamedTuple, dataclass, TypedDict or msgspec
    Struct with these fields, or the value itself if there is but one. Where `fn` is called per item, or gives a stream,
    the pipeline runs for each item.

    Args:
        name: The name of the data set that the pipeline's result is.
        pipeline: What to include; a step is a pipeline too.
        fn: The adapter, a function or a step. What headrace makes of it has one item in flight.

    Raises:
        OptionError: the adapter is a step with more than one item in flight.
        WiringError: this is not a name, a pipeline or a function.

    >>> from typing import NamedTuple
    >>> from headrace import include, pipeline, step
    >>> class Text(NamedTuple):
    ...     text: str
    >>> size = pipeline("size", steps=[step("size", fn=lambda text: len(text))], params=Text)
    >>> def text_of(title: str) -> Text:
    ...     return Text(title.strip())
    >>> class Book(NamedTuple):
    ...     title: str
    >>> pipeline("book", steps=[include("length", size, fn=text_of)], params=Book).run(" Mills ")
    5
    """
    place = called_at()
    checked_name(name, place, "include")
    where = f"include '{name}' ({place})"
    if isinstance(pipeline, Step):
        pipeline = pipeline_of_step(pipeline)
    if not isinstance(pipeline, Pipeline):
        raise WiringError(f"{where}: needs a pipeline, got {shown(pipeline)}; give what pipeline(...) or | makes")
    return Include(name, pipeline, None if fn is None else _adapter(where, fn), place)


def _adapter(where: str, fn: Any) -> Step[Any, Any]:
    if not callable(fn) or isinstance(fn, Pipeline):
        raise WiringError(f"{where}: needs a function as fn, got {shown(fn)}; pass the function itself")
    adapter = as_step(fn)
    if adapter.settings.max_in_flight != 1:
        raise OptionError(
            f"{where}: an adapter has max_in_flight=1, got {adapter.settings.max_in_flight} from {adapter.callee}; "
            "give the pipeline's own steps the room, or make it a step of its own"
        )
    return adapter
