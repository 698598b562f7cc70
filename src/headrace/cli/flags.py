"""Flags: those of a pipeline, from its signature and its docstring, and those that every pipeline has."""

from __future__ import annotations

import enum
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast, get_origin

import msgspec

from headrace.cli.ending import Refusal
from headrace.cli.target import AnyFlow
from headrace.dsl.autowire import WiredPipeline
from headrace.dsl.params import Fresh
from headrace.dsl.pipeline import Pipeline
from headrace.dsl.step import Step
from headrace.graph.hints import describe, is_lazy, item_of, iterates

if TYPE_CHECKING:
    from cyclopts import App, Group

__all__ = [
    "Given",
    "Running",
    "convertible",
    "docstring_of",
    "hints_of",
    "options_of",
    "parse",
    "parse_flags",
    "with_running_flags",
]

NO_HINT = inspect.Parameter.empty
RUNNERS = Literal["sync", "async", "ray"]


class Running(msgspec.Struct, frozen=True):
    """How a pipeline is run: the flags that every pipeline has, but for those whose name is a parameter's own."""

    params_file: Annotated[
        Path | None,
        "Parameters by name, in a JSON or TOML file, or - for standard input. A flag goes before what is in it.",
    ] = None
    set: Annotated[
        list[str] | None,
        "Another option for a step, in this run only, such as fetch.max_in_flight=50. May be given several times.",
    ] = None
    runner: Annotated[
        RUNNERS,
        "Where plain steps run: in the main thread, in an event loop, or on a Ray cluster (that of RAY_ADDRESS, or one "
        "on this machine).",
    ] = "sync"
    checkpoint: Annotated[
        Path | None,
        "Keep the results of steps with checkpoint=True in this file, and read back those that are in it.",
    ] = None
    raw: Annotated[bool, "Print results that are text as they are, not as JSON."] = False
    progress: Annotated[bool, "Show on standard error how the run gets on."] = False
    report: Annotated[
        Path | None, "Write a page about the run to this file, as HTML, also if it fails or is interrupted."
    ] = None


NAMES = {"set": "STEP.OPTION=VALUE"}


class Given(msgspec.Struct, frozen=True):
    """What was typed behind the name of a pipeline."""

    arguments: inspect.BoundArguments
    running: Running


def hints_of(flow: AnyFlow) -> dict[str, Any]:
    """The hints of a pipeline's parameters, by name."""
    callee = flow.callee if isinstance(flow, Step) else cast("Pipeline[Any, Any]", flow).callee
    return {name: parameter.hint for name, parameter in callee.parameters.items()}


def docstring_of(flow: AnyFlow) -> str | None:
    """What somebody wrote about a pipeline or a step; of one that is wired by name, about the class of its params."""
    params = flow._params if isinstance(flow, WiredPipeline) else None
    if not isinstance(params, type):
        return vars(flow).get("__doc__")  # its own, not that of its class
    text = vars(params).get("__doc__")
    return None if text is None or text.startswith(f"{params.__name__}(") else text  # and not what Python has made up


def options_of(flow: AnyFlow) -> list[str]:
    """Which of the flags that every pipeline has this one has."""
    return [name for name in Running.__struct_fields__ if name not in hints_of(flow)]


def parse_flags(flow: AnyFlow, flags: Sequence[str], target: str, known: Mapping[str, Any]) -> Given | None:
    """What the flags say, converted; those of the `known` parameters may be left out. None: help was asked for.

    Raises: Refusal: they are not those of the pipeline.
    """
    from cyclopts import App

    call = _stand_in(flow, known)
    app = App(name=f"headrace run {target}", help=call.__doc__ or "", version_flags=[], default_command=call)
    command, given = parse(app, flags, where=target)
    if command is not call:  # but the help
        command(*given.args, **given.kwargs)
        return None
    running = {name: given.arguments.pop(name) for name in options_of(flow) if name in given.arguments}
    given.arguments.update({name: value for name, value in known.items() if name not in given.arguments})
    for name, hint in hints_of(flow).items():
        if is_lazy(hint) and name in given.arguments:
            given.arguments[name] = _lazily(given.arguments[name], hint)
    return Given(given, Running(**running))


def parse(app: App, arguments: Sequence[str], where: str) -> tuple[Callable[..., None], inspect.BoundArguments]:
    """The function to call and its arguments, converted.

    Raises: Refusal: they are not those of the command.
    """
    from cyclopts import CycloptsError

    fix = f"see {app.name[0]} --help"
    try:
        return app.parse_args(list(arguments), print_error=False, exit_on_error=False)[:2]
    except CycloptsError as error:
        problem, flag = str(error).removesuffix("."), error.argument.name if error.argument else ""
        if flag not in problem and flag.strip("-").upper() not in problem:
            problem = f"{flag}: {problem}"
        raise Refusal(f"{where}: {problem[:1].lower()}{problem[1:]}; {fix}") from error
    except Exception as error:  # from the class that a parameter is hinted as
        raise Refusal(f"{where}: a parameter cannot be made of the text given: {error!r}; {fix}") from error


# -- a signature for cyclopts --------------------------------------------------------------------------------


def with_running_flags(command: Callable[..., None]) -> Callable[..., None]:
    """A command `(target, *flags)` that takes the flags that every pipeline has before the target, too."""
    from cyclopts import Group, Parameter

    def call(*given: Any, **running: Any) -> None:
        target, *flags = given
        command(target, *_as_flags(running), *flags)

    first, others = inspect.signature(command, eval_str=True).parameters.values()
    others = others.replace(annotation=Annotated[str, Parameter(allow_leading_hyphen=True)])
    group = Group("How it is run", sort_key=1)
    _sign(call, [first, others, *(_option(name, group) for name in Running.__struct_fields__)])
    call.__name__, call.__doc__ = command.__name__, command.__doc__
    return call


def _as_flags(running: Mapping[str, Any]) -> Iterator[str]:
    for name, value in running.items():
        for each in value if isinstance(value, list) else [value]:
            flag = f"--{'no-' * (each is False)}{name.replace('_', '-')}"
            yield from [flag] if isinstance(each, bool) else [flag, str(each)]


def _stand_in(flow: AnyFlow, known: Mapping[str, Any]) -> Callable[..., None]:
    """A function with the parameters and the docstring of `flow` and of `Running`, for cyclopts to read."""
    from cyclopts import Group

    def call() -> None: ...

    call.__name__, call.__doc__ = flow.name, docstring_of(flow)
    own = [_typed(parameter, hints_of(flow)[parameter.name]) for parameter in flow._parameters.parameters.values()]
    _sign(call, own)
    texts = _texts(call)
    described = [_described(parameter, texts.get(parameter.name, "")) for parameter in own]
    group = Group("How it is run", sort_key=1)  # below the pipeline's own
    _sign(call, [*_with_known(described, known), *(_option(name, group) for name in options_of(flow))])
    return call


def _sign(call: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> None:
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect looks for it


def _texts(call: Callable[..., None]) -> dict[str, str]:
    """What the docstring says of each parameter."""
    from cyclopts import App

    found = App(default_command=call).assemble_argument_collection(parse_docstring=True)
    return {argument.field_info.name: argument.parameter.help or "" for argument in found}


def _typed(parameter: inspect.Parameter, hint: Any) -> inspect.Parameter:
    return parameter.replace(annotation=convertible(hint, parameter.default))


def convertible(hint: Any, default: Any = NO_HINT) -> Any:
    """The hint of what a flag can give: a list for a stream; for `Any` the default's type, or text."""
    if is_lazy(hint):
        return list[convertible(item_of(hint))]  # type: ignore[misc]
    if hint is Any or hint is object or isinstance(hint, TypeVar):
        return str if default is NO_HINT or default is None else type(default)
    return hint


def _described(parameter: inspect.Parameter, text: str) -> inspect.Parameter:
    """The parameter with what its help says: the text of the docstring, and the type where it is no choice."""
    from cyclopts import Parameter

    hint = parameter.annotation
    is_choice = hint is bool or get_origin(hint) is Literal or (isinstance(hint, type) and issubclass(hint, enum.Enum))
    about = text if is_choice else f"{text} [type: {describe(hint)}]".strip()
    made_anew = isinstance(parameter.default, Fresh)  # there is nothing to be shown
    shown = Parameter(help=about or None, negative_iterable="", show_default=not made_anew)
    return parameter.replace(annotation=Annotated[hint, shown])


def _with_known(parameters: Sequence[inspect.Parameter], known: Mapping[str, Any]) -> Iterator[inspect.Parameter]:
    """The parameters; the values of some are known, so they may be left out."""
    from cyclopts import Parameter

    optional = False
    for parameter in parameters:
        if parameter.name in known:
            parameter = parameter.replace(default=known[parameter.name])
        elif optional and parameter.default is NO_HINT and parameter.kind is not parameter.KEYWORD_ONLY:
            hint = parameter.annotation
            required = Annotated[hint, Parameter(required=True, show_default=False)]  # type: ignore[valid-type]
            parameter = parameter.replace(default=None, annotation=required)  # Python wants one behind another
        optional |= parameter.default is not NO_HINT
        yield parameter


def _option(name: str, group: Group) -> inspect.Parameter:
    from cyclopts import Parameter

    (field,) = (each for each in msgspec.structs.fields(Running) if each.name == name)
    hint, about = field.type.__origin__, field.type.__metadata__[0]
    shown = Parameter(
        help=about,
        negative="--no-progress" if name == "progress" else "",
        negative_iterable="",
        group=group,
        metavar=NAMES.get(name),
        allow_leading_hyphen=name == "params_file",  # for standard input
    )
    annotation = Annotated[hint, shown]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation)


def _lazily(items: list[Any], hint: Any) -> Iterator[Any] | AsyncIterator[Any]:
    """The iterator that the hint asks for."""
    return iter(items) if iterates(hint) else _asynchronously(items)


async def _asynchronously(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
