"""What is printed, and where: results as JSON lines on standard output, all the rest on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import msgspec

from headrace.cli.ending import NobodyReads
from headrace.engine.failure import Failure

__all__ = ["json_line", "results", "say", "standard_output_alone"]


def say(text: str) -> None:
    """Print what a command tells.

    Raises: NobodyReads: it went to a program that is over.
    """
    _write(sys.stdout, text)


@contextmanager
def results(*, raw: bool = False, progress: bool = False) -> Iterator[Callable[[object], None]]:
    """What prints one result as a line of JSON, between which nothing else comes; `raw`: text as it is.

    On a terminal on which `progress` is shown, results go where everything goes that is printed above it.
    """
    with standard_output_alone() as out:
        above = progress and out.isatty()

        def write(result: object) -> None:
            _write(sys.stdout if above else out, result if raw and isinstance(result, str) else json_line(result))

        yield write


@contextmanager
def standard_output_alone() -> Iterator[TextIO]:
    """Standard output, for the caller alone: what anybody else prints goes to standard error, whatever its process."""
    out = sys.stdout
    with contextlib.ExitStack() as stack:
        if sys.__stdout__ is not None and out is sys.__stdout__:  # and not what a test or another program has put there
            out = stack.enter_context(_own_descriptor(out))
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield out


@contextmanager
def _own_descriptor(out: TextIO) -> Iterator[TextIO]:
    """What `out` writes to, under another descriptor; its own one leads to standard error."""
    out.flush()
    number = out.fileno()
    kept = os.dup(number)
    os.dup2(sys.stderr.fileno(), number)
    own = open(kept, "w", encoding="utf-8", newline="\n", closefd=False)  # noqa: SIM115  # closed below
    try:
        yield own
    finally:
        with contextlib.suppress(OSError):  # whoever reads may be gone
            own.close()
        os.dup2(kept, number)
        os.close(kept)


def _write(out: TextIO, text: str) -> None:
    try:
        print(text, file=out, flush=True)
    except BrokenPipeError:
        if out is sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # for what is flushed at exit
        raise NobodyReads from None


def json_line(value: object) -> str:
    """A value as JSON in one line; what JSON cannot hold is there as text.

    >>> json_line({"name": "x", "failed": ValueError("no")})
    '{"name":"x","failed":"ValueError: no"}'
    """
    try:
        return msgspec.json.encode(value.as_dict() if isinstance(value, Failure) else value, enc_hook=_text).decode()
    except Exception:  # whatever becomes of an object that is made up as it is asked
        return json.dumps(repr(value))


def _text(value: Any) -> str:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return os.fspath(value) if isinstance(value, os.PathLike) else repr(value)
