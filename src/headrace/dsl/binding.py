"""Which argument goes to which parameter, and what to say where one does not."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from headrace.errors import WiringError
from headrace.graph.callee import Callee
from headrace.graph.hints import describe, tuple_length, tuple_of

__all__ = ["ITEM", "bound", "shown_parameters", "spread_hint", "unbound"]

ITEM = object()  # stands for the item in the arguments of a per-item call


def spread_hint(callee: Callee, item: Any) -> Any:
    """The tuple that a function takes when each item is spread over its parameters."""
    if callee.signature is None:
        return Any
    parameters = callee.parameters.values()
    hints = [parameter.hint for parameter in parameters if parameter.positional]
    needed = sum(parameter.positional and parameter.required for parameter in parameters)
    count = tuple_length(item)
    if count is None or count < needed:
        count = needed or len(hints)
    if count > len(hints):
        hints += [each.hint for each in parameters if each.kind is inspect.Parameter.VAR_POSITIONAL] * count
    return tuple_of(tuple(hints[:count]))


def bound(
    callee: Callee, arguments: tuple[Any, ...], keywords: Mapping[str, Any], place: str
) -> Iterator[tuple[str, Any, bool, Any]]:
    """Each argument with its parameter's name and hint, and whether it must be passed by keyword."""
    if callee.signature is None:
        yield from ((f"argument {index}", Any, False, argument) for index, argument in enumerate(arguments, 1))
        yield from ((name, Any, True, argument) for name, argument in keywords.items())
        return
    try:
        found = callee.signature.bind(*arguments, **keywords)
    except TypeError as error:
        text = unbound(error, callee.signature, arguments, keywords)
        raise WiringError(f"{callee}: {text} (called at {place})") from None
    skipped = False
    for name, parameter in callee.parameters.items():
        if name not in found.arguments:
            skipped = True
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            for index, argument in enumerate(found.arguments[name]):
                yield f"{name}[{index}]", parameter.hint, False, argument
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            for key, argument in found.arguments[name].items():
                yield key, parameter.hint, True, argument
        else:
            keyword = skipped or parameter.kind is inspect.Parameter.KEYWORD_ONLY
            yield name, parameter.hint, keyword, found.arguments[name]


def unbound(error: TypeError, signature: inspect.Signature, arguments: Sequence[Any], keywords: Iterable[str]) -> str:
    """Why these arguments cannot be bound, and what the parameters are."""
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values())
    unknown = [] if takes_any else [name for name in keywords if name not in signature.parameters]
    text = f"got an unexpected keyword argument '{unknown[0]}'" if unknown else str(error)
    text = f"{text}; it takes {shown_parameters(signature)}"
    if next(iter(signature.parameters), None) == "self":
        return f"{text}; outside of its class, make a step of the bound method: step(thing.method)"
    if not arguments or arguments[0] is not ITEM:
        return text
    missing = not unknown and str(error).startswith("missing")
    fix = "; give the others after the step, or let .starmap spread items that are tuples" if missing else ""
    return f"{text}, the first from the stream{fix}"


class _Shown(str):
    """A hint in the text of a signature, without quotes around it."""

    __repr__ = str.__str__


def shown_parameters(signature: inspect.Signature) -> str:
    """The parameters as they are written: `(url: str, retries: int = 3)`."""
    parameters = [
        parameter
        if parameter.annotation is parameter.empty
        else parameter.replace(annotation=_Shown(_as_written(parameter.annotation)))
        for parameter in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


def _as_written(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else describe(annotation)
