"""What goes from one place to another, as bytes.

An exception keeps its notes and its causes, and is one object in each place whichever way it comes, and however often.
A failure that is only passed on is sent on as it came. A limit is one object in each place, too, with the same key: the
one that its module has there, if that can be imported.
"""

from __future__ import annotations

import importlib
import pickle
import sys
import threading
import uuid
from collections.abc import Callable
from io import BytesIO
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from headrace.drivers.pickling import Packer, Raised, importable, raised, rebuilt, unpicklable_exception
from headrace.engine.failure import Failure
from headrace.engine.outcome import END, Ended, Failed
from headrace.engine.report import Report
from headrace.errors import UnpicklableError
from headrace.graph.limit import Limit
from headrace.graph.values import shown

__all__ = ["Parcels"]


class Parcels:
    """Makes bytes of what goes to other places, and reads them, during one run."""

    def __init__(self) -> None:
        self.failures: dict[str, tuple[BaseException, bytes]] = {}  # by key: those that were sent or have come
        self.lock: threading.Lock = threading.Lock()

    def packed_items(self, items: list[Any], step: str) -> tuple[bytes, Failed | None]:
        """Those up to the first that cannot go, and the failure of that one."""
        try:
            return _packed(items), None
        except Exception:
            return self._packed_in_part(items, step)

    def _packed_in_part(self, items: list[Any], step: str) -> tuple[bytes, Failed | None]:
        for place, item in enumerate(items):
            try:
                _packed(item)
            except Exception as error:
                failure = UnpicklableError(
                    f"{step}: an item of it, {type(item).__qualname__}, cannot be pickled to go to another actor "
                    f"({error}); give what can"
                )
                failure.__cause__ = error
                return _packed(items[:place]), Failed(failure)
        return _packed(items), None

    def items(self, data: bytes, step: str) -> list[Any]:
        """What was packed."""
        try:
            items: list[Any] = pickle.loads(data)
        except Exception as error:
            raise UnpicklableError(
                f"{step}: an item of it cannot be unpickled in another actor ({error!r}); give what can, and see that "
                "all nodes can import its class, with runtime_env="
            ) from error
        return items

    def packed_end(self, ended: Ended | Failed | None, step: str) -> bytes:
        """The end of a stream, or no end."""
        if ended is None:
            return b""
        if isinstance(ended, Ended):
            return b"end"
        with self.lock:
            return self._packed_failure(ended.error, step)

    def _packed_failure(self, error: BaseException, step: str) -> bytes:
        for known, data in self.failures.values():
            if known is error:
                return data
        key = getattr(error, "headrace_key", None) or uuid.uuid4().hex
        if key not in self.failures:
            self.failures[key] = error, pickle.dumps((key, *raised(error, step)))
        return self.failures[key][1]

    def end(self, data: bytes) -> Ended | Failed | None:
        """What was packed."""
        if data in (b"", b"end"):
            return END if data else None
        key, *sent = pickle.loads(data)
        with self.lock:
            if key not in self.failures:
                self.failures[key] = rebuilt(Raised(*sent)), data
            return Failed(self.failures[key][0])

    def packed(self, value: Any, what: str) -> bytes:
        """A value, of which a message says that it is `what`."""
        try:
            return _packed(value)
        except Exception as error:
            raise UnpicklableError(
                f"{what}: cannot be pickled to go to another actor ({error}); give what can, or make it there, as a "
                "resource"
            ) from error

    def packed_report(self, report: Report) -> bytes:
        """A report; of its failures, what cannot go is text."""
        nodes = tuple(
            msgspec.structs.replace(node, failures=tuple(map(_travelling, node.failures))) for node in report.nodes
        )
        return _packed(msgspec.structs.replace(report, nodes=nodes))

    def value(self, data: bytes) -> Any:
        """What was packed."""
        return pickle.loads(data)


def _travelling(failure: Failure[Any]) -> Failure[Any]:
    """The failure as it can go elsewhere."""
    item, exception = failure.item, failure.exception
    if not _goes(item):
        item = shown(item)
    if not _goes(exception):
        exception = unpicklable_exception(failure.step, exception, TypeError("it does not go to another actor"))
    return msgspec.structs.replace(failure, item=item, exception=exception)


def _goes(value: Any) -> bool:
    """Whether it can be read where it is sent."""
    try:
        pickle.loads(_packed(value))
    except Exception:
        return False
    return True


def _packed(value: Any) -> bytes:
    with BytesIO() as file:
        _Packer(file).dump(value)
        return file.getvalue()


class _Packer(Packer):
    """Sends limits, the cause of an exception, and one whose class does not take what it has as `args`."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Limit):
            return _reduced(obj)
        if isinstance(obj, BaseException):
            reduced: Any = obj.__reduce_ex__(4)
            if reduced[0] is type(obj) or obj.__cause__ is not None:
                state = reduced[2] if len(reduced) > 2 else {}
                return _rebuilt, (*reduced[:2], state, obj.__cause__)
        return super().reducer_override(obj)


def _rebuilt(
    make: Callable[..., BaseException],
    arguments: tuple[Any, ...],
    state: dict[str, Any] | None,
    cause: BaseException | None,
) -> BaseException:
    """An exception with its cause, which pickle leaves out."""
    try:
        error = make(*arguments)
    except TypeError:
        if not isinstance(make, type):
            raise
        of: Any = make
        error = of.__new__(of, *arguments)
    if state:
        error.__setstate__(state)
    if cause is not None:
        error.__cause__ = cause
    return error


_limits: WeakValueDictionary[str, Limit] = WeakValueDictionary()  # those here that were sent or have come, by key


def _reduced(limit: Limit) -> Any:
    """How a limit goes: as what its module calls it, or with what it says."""
    _limits[limit.key] = limit
    if importable(limit.module) and limit.module in sys.modules:
        for name, value in vars(sys.modules[limit.module]).items():
            if value is limit:
                return _of_module, (limit.key, limit.module, name)
    says = {name: getattr(limit, name) for name in ("concurrency", "rate", "cost", "burst", "name")}
    return _limit, (limit.key,), says, None, None, _says  # its cost may be a function that knows it


def _of_module(key: str, module: str, name: str) -> Limit:
    """What that module calls a limit here."""
    limit: Limit = getattr(importlib.import_module(module), name)
    limit.key = key
    _limits[key] = limit
    return limit


def _limit(key: str) -> Limit:
    """The limit with that key."""
    limit = _limits.get(key)
    if limit is None:
        limit = _limits[key] = Limit.__new__(Limit)
        limit.key = key
    return limit


def _says(limit: Limit, says: dict[str, Any]) -> None:
    """What a limit is that has just been made here."""
    if not hasattr(limit, "name"):
        key = limit.key
        limit.__init__(**says)  # type: ignore[misc]
        limit.key = key
