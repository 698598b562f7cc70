"""What runs in a worker process: calls of functions that it is sent, one after the other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any, NamedTuple

from headrace.drivers.pickling import Raised, packed, raised
from headrace.errors import UnpicklableError

__all__ = ["GOODBYE", "Order", "Reply", "function_of", "reply_of", "work"]

READY = b"ready"
GOODBYE = b"goodbye"


class Order(NamedTuple):
    """Calls to be made: of step `number`, whose packed function comes along the first time, with each packed item.

    READY is the answer to a function, a `Reply` that to each item.
    """

    number: int
    step: str
    function: bytes | None
    items: list[bytes]


class Reply(NamedTuple):
    """What one call came to, and the seconds that it took."""

    seconds: float
    value: Any = None
    raised: Raised | None = None


def work(connection: Connection, *inherited: Connection) -> None:
    """Answer orders until the run says goodbye, or is gone."""
    for end in inherited:
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run is interrupted, and stops its workers
    threading.Thread(target=_end_with_parent, name="headrace watch", daemon=True).start()
    functions: dict[int, Callable[[Any], Any]] = {}
    with contextlib.suppress(EOFError, OSError), connection:
        connection.send_bytes(READY)
        while True:
            data = connection.recv_bytes()
            if data == GOODBYE:
                return
            order: Order = pickle.loads(data)
            if order.function is not None:
                functions[order.number] = function_of(order.step, order.function)
                connection.send_bytes(READY)  # from here on, time counts
            for item in order.items:
                connection.send_bytes(reply_of(order.step, functions[order.number], item))


def _end_with_parent() -> None:
    """End at once when the process that started this one is gone, also in the middle of a call."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def function_of(step: str, data: bytes) -> Callable[[Any], Any]:
    """The function; in place of one that cannot be loaded, one that says so."""
    try:
        function: Callable[[Any], Any] = pickle.loads(data)
        return function
    except Exception as error:
        failure = UnpicklableError(
            f"{step}: its function cannot be loaded in a worker process ({error!r}); put it where it can be imported, "
            "or use executor='thread'"
        )
        failure.__cause__ = error
        return partial(_fail, failure)


def _fail(failure: Exception, item: Any) -> None:
    raise failure


def reply_of(step: str, function: Callable[[Any], Any], data: bytes) -> bytes:
    """What to send back of one call. It is sent before the next call begins, so a lost worker has lost one call."""
    begun = perf_counter()
    try:
        value = function(_item(step, data))
        return _packed_value(step, Reply(perf_counter() - begun, value))
    except BaseException as error:
        return pickle.dumps((*Reply(perf_counter() - begun, raised=raised(error, step)),))


def _item(step: str, data: bytes) -> Any:
    try:
        return pickle.loads(data)
    except Exception as error:
        raise UnpicklableError(
            f"{step}: its item cannot be unpickled in a worker process ({error!r}); give it what can, or use "
            "executor='thread'"
        ) from error


def _packed_value(step: str, reply: Reply) -> bytes:
    try:
        return pickle.dumps(tuple(reply))
    except Exception:  # by reference it does not go
        pass
    try:
        return packed(tuple(reply))
    except Exception as error:
        raise UnpicklableError(
            f"{step}: its result, {type(reply.value).__qualname__}, cannot be pickled to come back from a worker "
            f"process ({error}); return what can, or use executor='thread'"
        ) from error
