"""Carrying out one command, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headrace.cli.ending import Found, NobodyReads, Refusal, Terminated
from headrace.cli.output import say

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["main"]

HERE = os.path.dirname(__file__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command, by default that of this process; gives the exit code.

    0: done. 1: the pipeline failed while it ran, or headrace check has found something. 2: the command or the file is
    wrong: one line says how. 130: interrupted. 143: asked to end. In the last two cases everything in flight is stopped
    and closed first, as always.

    >>> main(["show", "headrace.cli:main", "--format", "dot"])
    2
    """
    try:
        with _ending_when_asked():
            _carry_out(sys.argv[1:] if arguments is None else list(arguments))
    except Refusal as refusal:
        print("headrace:", " ".join(str(refusal).split()), file=sys.stderr)
        return 2
    except Found:
        return 1
    except NobodyReads:
        return 0
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    except Exception as error:
        _show_as_python_does(error)
        return 1
    return 0


def _show_as_python_does(error: Exception) -> None:
    """What the user's own code raised; the frames of these files say nothing about it."""
    frames = error.__traceback__
    while frames and frames.tb_next and frames.tb_frame.f_code.co_filename.startswith(HERE):
        frames = frames.tb_next
    sys.excepthook(type(error), error.with_traceback(frames), frames)


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


def _carry_out(arguments: list[str]) -> None:
    try:
        import cyclopts  # noqa: F401
    except ImportError as error:
        problem = f"needs '{error.name}', which is not installed"
        raise Refusal(f"command line: {problem}; pip install 'headrace[cli]'") from None
    from headrace.cli.flags import parse
    from headrace.cli.running import resume, run

    match arguments:
        case ["run", target, *flags] if not target.startswith("-"):
            run(Path(target), *flags)  # what follows the target is the pipeline's, also --help
        case ["resume", store, *flags] if flags and flags != ["--help"] and not store.startswith("-"):
            resume(Path(store), *flags)
        case _:
            command, given = parse(_app(), arguments, where="command line")
            command(*given.args, **given.kwargs)


def _app() -> App:
    """Every command."""
    from cyclopts import App, Parameter

    from headrace.cli.checking import check
    from headrace.cli.flags import with_running_flags
    from headrace.cli.looking import list_flows, runs, show
    from headrace.cli.running import resume, run
    from headrace.cli.starting import new

    about = metadata.metadata("headrace")
    plain = Parameter(negative_iterable="")
    version = f"headrace {about['Version']}"
    app = App(name="headrace", help=about["Summary"], version=version, default_parameter=plain)
    app.command(list_flows, name="list")
    for command in (show, check, with_running_flags(run), runs, resume, new, completion):
        app.command(command)
    return app


def completion(shell: Literal["bash", "fish", "powershell", "zsh"], /) -> None:
    """Print what has a shell complete commands, flags and files; for bash: eval "$(headrace completion bash)".

    Args:
        shell: Whose language it is to be in.
    """
    say(_app().generate_completion(prog_name="headrace", shell=shell))
