"""The command line: `headrace run`, `headrace show`, and `headrace runs` and `headrace resume` for checkpoints.

What is wrong with the command, or with how a file puts its pipelines together, is one line on standard error
and exit code 2. What the user's own code raises is shown as Python shows it, and is exit code 1.

Needs the `cli` extra, which is imported only when there is a command to carry out.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import msgspec

from headrace.drivers.runner import iterate
from headrace.drivers.runner import run as run_to_end
from headrace.dsl.checkpoint import Checkpoint, opened
from headrace.dsl.flow import Flow, Items
from headrace.dsl.pipeline import Pipeline
from headrace.dsl.step import Step
from headrace.errors import BuildError, CheckpointError
from headrace.graph.dag import Program
from headrace.graph.hints import is_lazy, item_of, iterates
from headrace.graph.render import mermaid, text
from headrace.stores import Command, RunEntry, SqliteStore, runs_in

if TYPE_CHECKING:
    from cyclopts import App

    from headrace.engine.checkpoint import Checkpoints

__all__ = ["main"]

AnyFlow = Flow[Any, Any]
NO_HINT = inspect.Parameter.empty
KEEP = "checkpoint"  # a flag for every pipeline that has no parameter of that name
FIND_FIX = "give the path of a Python file, or the name of a module"


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


class Refusal(Exception):
    """The command cannot be carried out; the message is all there is to say."""


class NobodyReads(BaseException):
    """Whoever the output went to wants no more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command, by default that of this process; gives the exit code.

    0: done. 1: the pipeline failed while it ran. 2: the command or the file is wrong. 130: interrupted. 143: asked to
    end. In the last two cases everything in flight is stopped and closed first, as always.

    >>> main(["show", "headrace.cli:main", "--format", "dot"])
    2
    """
    try:
        with _ending_when_asked():
            _carry_out(sys.argv[1:] if arguments is None else list(arguments))
    except Refusal as refusal:
        print("headrace:", " ".join(str(refusal).split()), file=sys.stderr)
        return 2
    except NobodyReads:
        return 0
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    except Exception as error:
        frames = error.__traceback__
        while frames and frames.tb_next and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next  # the user's code matters, not this file
        sys.excepthook(type(error), error.with_traceback(frames), frames)
        return 1
    return 0


@contextmanager
def _ending_when_asked() -> Iterator[None]:
    """Within it, SIGTERM stops a run as an interrupt does, and does not just end the process."""
    if threading.current_thread() is not threading.main_thread():  # others cannot be told of signals
        yield
        return

    def end(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(target: str, /, *flags: str) -> None:
    """Run a pipeline and print what it gives: text as it is, other data as JSON, a stream item by item.

    Args:
        target: FILE:PIPELINE or MODULE:PIPELINE; without :PIPELINE, the only pipeline there is.
        flags: The pipeline's own parameters, and --checkpoint FILE; headrace run TARGET --help lists them.
    """
    _run(target, flags)


def _run(target: str, flags: Sequence[str], store: Path | None = None) -> None:
    from cyclopts import App

    flow = _find(target)
    hints, call = _hints(flow), _stand_in(flow)
    app = App(name=f"headrace run {target}", help=call.__doc__ or "", version_flags=[], default_command=call)
    command, given = _parse(app, flags, where=target)
    for name, hint in hints.items():
        if is_lazy(hint) and name in given.arguments:
            given.arguments[name] = _lazily(given.arguments[name], hint)
    if command is not call:  # but the help
        command(*given.args, **given.kwargs)
        return
    if KEEP not in hints:
        named = given.arguments.pop(KEEP, None)
        store = store or named
    with _keeping(flow, store, Command(os.getcwd(), target, tuple(flags))) as checkpoints:
        _print_results(flow._program, flow._bind(given.args, given.kwargs), checkpoints)


def _print_results(program: Program, arguments: Mapping[str, Any], checkpoints: Checkpoints | None) -> None:
    if program.dag.returns == "stream":
        with Items(iterate(program, arguments, checkpoints=checkpoints)) as items:
            for item in items:
                _print(item)
    elif (result := run_to_end(program, arguments, checkpoints=checkpoints)) is not None:
        _print(result)


@contextmanager
def _keeping(flow: AnyFlow, store: Path | None, command: Command) -> Iterator[Checkpoints | None]:
    """What is kept in the file `store`, if one is given."""
    checkpoint = None if store is None else Checkpoint(SqliteStore(store, command))
    with ExitStack() as stack:
        try:
            checkpoints = stack.enter_context(opened(checkpoint, flow._program))
        except CheckpointError as error:
            raise Refusal(str(error)) from error
        yield checkpoints


def show(target: str, /, *, format: Literal["json", "mermaid", "text"] = "text") -> None:
    """Print the compiled graph of a pipeline.

    Args:
        target: FILE:PIPELINE or MODULE:PIPELINE; without :PIPELINE, the only pipeline there is.
        format: How to write it.
    """
    dag = _find(target).dag
    if format == "json":
        _print(msgspec.json.format(dag.to_json(), indent=2).decode())
    else:
        _print(mermaid(dag) if format == "mermaid" else text(dag))


def runs(store: Path, /, *, format: Literal["json", "text"] = "text") -> None:
    """List the runs whose results are in a checkpoint file, and how many each of their steps has done.

    Args:
        store: The file that a runner was given as checkpoint.
        format: How to write them.
    """
    entries = _entries(store)
    if format == "json":
        _print(msgspec.json.format(msgspec.json.encode(entries), indent=2).decode())
    else:
        for entry in entries:
            _print(_described(entry))


def resume(store: Path, /) -> None:
    """Run again what headrace run has last run with a checkpoint file, with the same flags.

    Args:
        store: The file that was given as --checkpoint. What is kept in it is read back.
    """
    commands = [entry.command for entry in _entries(store) if entry.command is not None]
    if not commands:
        raise Refusal(
            f"{store}: has no run that headrace run has started, so nobody knows how; run the program again that "
            "made it, and it goes on"
        )
    command = commands[-1]
    if not Path(command.folder).is_dir():
        raise Refusal(f"{store}: its run was started in {command.folder}, which is gone; use headrace run")
    store = store.absolute()
    print("headrace: resuming", shlex.join([command.target, *command.flags]), file=sys.stderr)
    with chdir(command.folder):
        _run(command.target, command.flags, store)


def _entries(store: Path) -> list[RunEntry]:
    try:
        return runs_in(store)
    except CheckpointError as error:
        raise Refusal(str(error)) from error


def _described(entry: RunEntry) -> str:
    """One run in a few lines."""
    took = "" if entry.ended is None else f" after {(entry.ended - entry.started).total_seconds():.1f} s"
    failure = "" if entry.failure is None else f": {entry.failure}"
    begun = entry.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    steps = (f"\n  {each.step}: {each.kept + each.read} done, {each.read} read back" for each in entry.steps)
    return f"run {entry.run} of '{entry.pipeline}' ({begun}) {entry.state}{took}{failure}{''.join(steps)}"


def _carry_out(arguments: list[str]) -> None:
    try:
        from cyclopts import App
    except ImportError as error:
        problem = f"needs '{error.name}', which is not installed"
        raise Refusal(f"command line: {problem}; pip install 'headrace[cli]'") from None
    match arguments:
        case ["run", target, *flags] if not target.startswith("-"):
            run(target, *flags)  # what follows the target is the pipeline's, also --help
        case _:
            about = metadata.metadata("headrace")
            app = App(name="headrace", help=about["Summary"], version=f"headrace {about['Version']}")
            app.command(run)
            app.command(show)
            app.command(runs)
            app.command(resume)
            command, given = _parse(app, arguments, where="command line")
            command(*given.args, **given.kwargs)


# -- flags ---------------------------------------------------------------------------------------------------


def _parse(app: App, arguments: Sequence[str], where: str) -> tuple[Callable[..., None], inspect.BoundArguments]:
    """The function to call and its arguments, converted."""
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


def _stand_in(flow: AnyFlow) -> Callable[..., None]:
    """A function with the parameters and the docstring of `flow`, for cyclopts to read."""

    def call() -> None: ...

    hints, own = _hints(flow), flow._parameters.parameters.values()
    parameters = [parameter.replace(annotation=_convertible(hints[parameter.name])) for parameter in own]
    if KEEP not in hints:
        parameters.append(_keep_parameter())
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect looks for it
    call.__name__, call.__doc__ = flow.name, vars(flow).get("__doc__")  # its own, not that of its class
    return call


def _keep_parameter() -> inspect.Parameter:
    from cyclopts import Parameter

    about = "Keep the results of steps with checkpoint=True in this file, and read back those that are in it."
    hint = Annotated[Path | None, Parameter(help=about)]
    return inspect.Parameter(KEEP, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)


def _hints(flow: AnyFlow) -> dict[str, Any]:
    callee = flow.callee if isinstance(flow, Step) else cast("Pipeline[Any, Any]", flow).callee
    return {name: parameter.hint for name, parameter in callee.parameters.items()}


def _convertible(hint: Any) -> Any:
    """The hint as cyclopts takes it: a list for a stream; none (the default's type, or text) for `Any`."""
    if is_lazy(hint):
        item = _convertible(item_of(hint))
        return list[str] if item is NO_HINT else list[item]  # type: ignore[valid-type]
    return NO_HINT if hint is Any or hint is object or isinstance(hint, TypeVar) else hint


def _lazily(items: list[Any], hint: Any) -> Iterator[Any] | AsyncIterator[Any]:
    """The iterator that the hint asks for."""
    return iter(items) if iterates(hint) else _asynchronously(items)


async def _asynchronously(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


# -- files and modules ---------------------------------------------------------------------------------------


def _find(target: str) -> AnyFlow:
    """The pipeline that `target` names, compiled."""
    named = re.fullmatch(r"(.*):([^:/\\]*)", target)  # C:\crawl.py names none
    place, name = named.groups() if named else (target, "")
    is_file = place.endswith(".py") or "/" in place or os.sep in place or Path(place).is_file()
    with _refusing_what_is_wrong(place):
        flow = _pick(place, name, vars(_load_file(Path(place)) if is_file else _load_module(place)))
        flow.dag  # noqa: B018  # a step and a line of steps are compiled only now
    return flow


def _pick(place: str, name: str, names: Mapping[str, object]) -> AnyFlow:
    found = {key: flow for key, flow in names.items() if isinstance(flow, Flow) and key[0] != "_"}
    pipelines = {key: flow for key, flow in found.items() if isinstance(flow, Pipeline)}
    there = f"there are {', '.join(pipelines | found)}" if found else "decorate a function with @pipeline"
    only = {id(flow): flow for flow in (pipelines or found).values()}
    if not name and len(only) == 1:
        return only.popitem()[1]
    if not name:
        raise Refusal(f"{place}: has {len(only) or 'no'} pipelines, got no name of one; {there}")
    if name not in names:
        raise Refusal(f"{place}: has no pipeline '{name}'; {there}")
    if not isinstance(named := names[name], Flow):
        raise Refusal(f"{place}: '{name}' must be a pipeline or a step, got a {type(named).__name__}; {there}")
    return named


def _load_file(path: Path) -> ModuleType:
    """What `python path` would run, but as a module with the name of the file."""
    if not path.is_file():
        raise Refusal(f"{path}: no such file; {FIND_FIX}")
    try:
        code = compile(path.read_bytes(), path.absolute(), "exec", dont_inherit=True)
    except (OSError, ValueError) as error:
        raise Refusal(f"{path}: cannot be read: {error}; give a Python file") from error
    module = ModuleType(path.stem if path.stem not in sys.modules else f"{path.stem}_file")
    module.__file__ = str(path.absolute())
    sys.modules[module.__name__] = module  # dataclasses and pickle look there
    sys.path.insert(0, str(path.absolute().parent))
    exec(code, vars(module))
    return module


def _load_module(name: str) -> ModuleType:
    unknown = Refusal(f"'{name}': no such module; {FIND_FIX}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise unknown
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            raise unknown from error
        raise  # it is there, but something that it imports is not


@contextmanager
def _refusing_what_is_wrong(place: str) -> Iterator[None]:
    """What one line can say about a file that does not load; the user sees any other failure whole."""
    try:
        yield
    except BuildError as error:
        raise Refusal(str(error)) from error
    except SyntaxError as error:
        line = f"{os.path.basename(error.filename)}:{error.lineno}" if error.filename else place
        raise Refusal(f"{line}: {error.msg}, got {(error.text or '').strip()!r}; correct it") from error
    except ImportError as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        raise Refusal(f"{line}: {error}; install it, or correct the name") from error


# -- output --------------------------------------------------------------------------------------------------


def _print(value: object) -> None:
    """Print one result. Raises: NobodyReads: it went to a program that is over."""
    try:
        print(value if isinstance(value, str) else _json(value), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at exit
        raise NobodyReads from None


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except Exception:  # whatever becomes of an object that msgspec does not know
        return repr(value)
