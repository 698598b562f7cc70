"""What goes from one place to another, as bytes.

An exception keeps its notes and its causes, and is one object in each place whichever way it comes, and however often.
A failure that is only passed on is sent on as it came.
"""

from __future__ import annotations

import pickle
import threading
import uuid
from collections.abc import Callable
from io import BytesIO
from typing import Any

from headrace.drivers.pickling import Packer, Raised, raised, rebuilt
from headrace.engine.outcome import END, Ended, Failed
from headrace.errors import UnpicklableError

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

    def value(self, data: bytes) -> Any:
        """What was packed."""
        return pickle.loads(data)


def _packed(value: Any) -> bytes:
    with BytesIO() as file:
        _Packer(file).dump(value)
        return file.getvalue()


class _Packer(Packer):
    """Sends the cause of an exception, too."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, BaseException) and obj.__cause__ is not None:
            reduced: Any = obj.__reduce_ex__(4)
            state = reduced[2] if len(reduced) > 2 else {}
            return _caused, (*reduced[:2], state, obj.__cause__)
        return super().reducer_override(obj)


def _caused(
    make: Callable[..., BaseException],
    arguments: tuple[Any, ...],
    state: dict[str, Any] | None,
    cause: BaseException,
) -> BaseException:
    """An exception with its cause, which pickle leaves out."""
    error = make(*arguments)
    if state:
        error.__setstate__(state)
    error.__cause__ = cause
    return error
