"""What `Pipeline.override` takes: functions to be replaced, each with what stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headrace.dsl.flow import Flow
from headrace.dsl.handle import Handle, called_at
from headrace.dsl.stand_in import key_of
from headrace.dsl.step import Step
from headrace.errors import BuildError, WiringError
from headrace.graph.callee import BUILT_IN, name_of, place_of
from headrace.graph.values import shown

__all__ = ["explain", "replaced"]


def replaced(given: Mapping[Any, Any], known: Mapping[Any, str], where: str) -> dict[Any, Callable[..., Any]]:
    """By the keys of functions, among those `known` to the pipeline, what stands in for them.

    Raises: WiringError: the pipeline has no such function, or what is given for it is none.
    """
    found: dict[Any, Callable[..., Any]] = {}
    for key, fake in given.items():
        original = _function(key)
        if key_of(original) not in known:
            raise WiringError(
                f"{where}: .override can replace {', '.join(dict.fromkeys(known.values())) or 'nothing'}; got "
                f"{_named(original)}, which is not in it (called at {called_at()})"
            )
        if not callable(fake) or isinstance(fake, Handle) or (isinstance(fake, Flow) and not isinstance(fake, Step)):
            raise WiringError(
                f"{where}: .override needs a function for {known[key_of(original)]}, got {shown(fake)}; "
                f"pass the function itself (called at {called_at()})"
            )
        if key_of(original) in found:
            raise WiringError(
                f"{where}: .override takes one function for {known[key_of(original)]}, got two; leave one out (called "
                f"at {called_at()})"
            )
        found[key_of(original)] = _function(fake)
    return found


def explain(error: BuildError, given: Mapping[Any, Any]) -> None:
    """Note that the pipeline was right until something stood in for its functions: that is to be mended."""
    pairs = (f"{_named(_function(fake))} stands in for {_named(_function(key))}" for key, fake in given.items())
    error.add_note(f"headrace: .override (called at {called_at()}), where {', '.join(pairs)}")


def _function(given: Any) -> Any:
    return given.function if isinstance(given, Step) else given


def _named(function: Any) -> str:
    if not callable(function) or isinstance(function, Flow):
        return shown(function)
    place = place_of(function)
    return f"'{name_of(function)}'" + ("" if place == BUILT_IN else f" ({place})")
