"""What is set for the steps of one pipeline from outside, by their names: `fetch`, `pages_of/fetch`, `fetch#2`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headrace.dsl.binding import shown_parameters
from headrace.dsl.checkpoint import with_code
from headrace.errors import OptionError, WiringError
from headrace.graph.callee import Callee
from headrace.graph.options import Options
from headrace.graph.values import shown

__all__ = ["Settings", "changes_for", "check_named", "settled"]

Settings = Mapping[str, Mapping[str, Any]]  # by the name of a step, or the end of its path: its options


def settled(
    callee: Callee, function: Callable[..., Any], options: Options, changes: dict[str, Any], owner: str
) -> Options:
    """`options` with `changes`, for a step of that function.

    Raises: OptionError: an option has a value that it cannot have.
    """
    settings = options.changed(changes, owner, is_async=callee.is_async)
    _check_unkeyed(owner, settings, callee)
    return with_code(settings, function)


def _check_unkeyed(owner: str, options: Options, callee: Callee) -> None:
    """Only a parameter can be left out of what a result is kept by."""
    takes_any = callee.signature is None or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in callee.parameters.values()
    )
    for name in () if takes_any else options.unkeyed:
        if name not in callee.parameters:
            raise OptionError(
                f"{owner}: unkeyed must be names of parameters, got {shown(name)}; it takes "
                f"{shown_parameters(callee.signature or inspect.Signature())}"
            )


def changes_for(id: str, settings: Settings) -> dict[str, Any]:
    """What is set for the node of that id; of several names that it has, the last one counts.

    >>> changes_for("crawl/pages_of/fetch#2", {"fetch": {"timeout": 5}, "pages_of/fetch": {"ordered": False}})
    {'timeout': 5, 'ordered': False}
    """
    return {option: value for name, values in settings.items() if _names(name, id) for option, value in values.items()}


def _names(name: str, id: str) -> bool:
    """Whether `name` is the end of the path `id`. Where it says no number, it is that of every use of the step."""
    wanted, parts = name.split("/")[::-1], id.split("/")[::-1]
    return len(wanted) <= len(parts) and all(
        one in (part, part.partition("#")[0]) for one, part in zip(wanted, parts, strict=False)
    )


def check_named(settings: Settings, ids: Iterable[str], where: str) -> None:
    """Raises: WiringError: something is set for a step that the pipeline does not have."""
    ids = list(ids)
    for name in settings:
        if not any(_names(name, id) for id in ids):
            known = list(dict.fromkeys(id.rpartition("/")[2].partition("#")[0] for id in ids))
            import difflib  # slow to load, and only for this

            near = difflib.get_close_matches(name.rpartition("/")[2], known)
            fix = f"did you mean {' or '.join(near)}?" if near else f"its steps are {', '.join(known) or 'none'}"
            raise WiringError(f"{where}: has no step {name!r} whose options can be set; {fix}")
