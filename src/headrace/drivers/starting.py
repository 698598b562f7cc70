"""Worker processes on this machine, on every system and with every start method of `multiprocessing`."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from headrace.drivers.worker import GOODBYE, Order, work
from headrace.errors import WorkerError

__all__ = ["LocalProcess", "cores", "start_method"]

PATIENCE = 1.0  # seconds that an idle worker has to end by itself


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


class LocalProcess:
    """A worker process on this machine."""

    def __init__(self, method: str, name: str) -> None:
        self.method = method
        self.name = name
        self.process: Any = None
        self.connection: Connection | None = None
        self.killed: bool = False

    def start(self, others: Callable[[], bool]) -> None:
        """Return when it is ready for orders."""
        self.process, self.connection = _start(work, self.method, self.name)
        if self.killed:
            self.process.kill()
        self.connection.recv_bytes()

    def send(self, order: Order) -> None:
        """Have it make these calls."""
        assert self.connection is not None
        self.connection.send_bytes(pickle.dumps(order))

    def loaded(self) -> None:
        """Return when it has the function that it was sent."""
        assert self.connection is not None
        self.connection.recv_bytes()

    def reply(self, seconds: float | None) -> bytes | None:
        """What the next call came to; None if it takes longer."""
        assert self.connection is not None
        if seconds is not None and not self.connection.poll(seconds):
            return None
        return self.connection.recv_bytes()

    def kill(self) -> None:
        """End it at once, also before it has started. Safe to use from other threads."""
        self.killed = True
        if self.process is not None:
            self.process.kill()

    def end(self) -> str:
        """Let it end, and wait until it has; says how it did, if it has started."""
        if self.connection is None:
            return ""
        with self.connection, suppress(OSError):  # it may be gone
            self.connection.send_bytes(GOODBYE)
        self.process.join(PATIENCE)
        self.process.kill()
        self.process.join()
        return _ending(self.process)


def _start(main: Callable[..., None], method: str, name: str) -> tuple[Any, Connection]:
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


def _ending(process: Any) -> str:
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
