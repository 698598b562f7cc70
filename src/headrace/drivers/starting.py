"""Starting processes, on every system and with every start method of `multiprocessing`."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from headrace.errors import WorkerError

__all__ = ["cores", "ending", "start", "start_method"]


def cores() -> int:
    """How many cores this process may use.

    >>> cores() >= 1
    True
    """
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_method() -> str:
    """How worker processes are started: what the environment variable HEADRACE_START_METHOD says, or "spawn".

    Raises: WorkerError: Python has no such start method here.

    >>> start_method() in multiprocessing.get_all_start_methods()
    True
    """
    known = multiprocessing.get_all_start_methods()
    method = os.environ.get("HEADRACE_START_METHOD", "spawn")
    if method not in known:
        raise WorkerError(f"HEADRACE_START_METHOD: must be one of {', '.join(known)}, got {method!r}; correct it")
    return method


def start(main: Callable[..., None], method: str, name: str) -> tuple[Any, Connection]:
    """A process that calls `main` with one end of a connection, and the other end of it.

    A forked process is also given what it has inherited of the other end, to close it: so each end hears when the other
    one is gone.
    """
    context: Any = multiprocessing.get_context(method)
    forks = method == "fork"
    with _starting:
        if _at_exit:
            raise WorkerError("Python is at its end, where no process can be started")
        here, there = context.Pipe()
        process = context.Process(target=main, args=(there, *([here] if forks else [])), name=name)
        with there, nullcontext() if forks else _without_main():
            process.start()
        _running.add(process)
    return process, here


def ending(process: Any) -> str:
    """How a process has ended.

    Only here is it certain that it is known: `multiprocessing` looks after all processes whenever it starts one, and
    for a moment then the thread that waits for one of them does not learn how it ended.
    """
    with _starting:
        code = process.exitcode
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"was killed by signal {-code}"


_starting = threading.Lock()  # one at a time: what is forked meanwhile would inherit both ends of a connection
_running: weakref.WeakSet[Any] = weakref.WeakSet()
_at_exit = False


def _forked() -> None:
    global _starting
    _starting = threading.Lock()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@atexit.register
def _end_all() -> None:
    """A run that was left suspended keeps no process alive, and starts none: multiprocessing would wait for it."""
    global _at_exit
    with _starting:
        _at_exit = True
        for process in list(_running):
            process.kill()


class _Main(ModuleType):
    """The main module as it is, but for one thread without the file that it was read from."""

    def __init__(self, main: ModuleType) -> None:
        object.__setattr__(self, "_hidden", (main, threading.get_ident()))

    def __getattribute__(self, name: str) -> Any:
        main, thread = object.__getattribute__(self, "_hidden")
        if name in ("__file__", "__spec__") and threading.get_ident() == thread:
            return None
        return getattr(main, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_hidden")[0], name, value)


@contextmanager
def _without_main() -> Iterator[None]:
    """Start a process that does not run the main script again: what it needs from there comes by value.

    So a script needs no `if __name__ == "__main__":`, and what it does besides is not done in every worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = _Main(main)
    try:
        yield
    finally:
        sys.modules["__main__"] = main
