"""What travels to a worker process and back, as bytes.

Lives here: what goes by reference and what by value, and how an exception keeps its notes and its cause. A function
or class goes by reference if the module that it is in can be imported anywhere; otherwise, as from the main script, a
notebook or a function body, by value. A context variable is one and the same wherever it comes; its value stays behind.

Needs the `process` extra: it is imported only by runs that have worker processes.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar
from io import BytesIO
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]  # it has no stubs

from headrace.errors import UnpicklableError

if TYPE_CHECKING:
    from pickle import Pickler  # of which cloudpickle's is a subclass, without stubs
else:
    from cloudpickle import Pickler

__all__ = ["Packer", "Raised", "importable", "packed", "raised", "rebuilt"]

CACHED = type(functools.cache(len))
HERE = os.path.dirname(os.path.dirname(__file__))  # headrace itself


def packed(thing: Any) -> bytes:
    """`thing` as bytes for `pickle.loads`, also in another process.

    >>> pickle.loads(packed(lambda number: number + 1))(4)
    5
    """
    with BytesIO() as file:
        Packer(file).dump(thing)
        return file.getvalue()


class Packer(Pickler):
    """Sends by value what another process cannot import."""

    def reducer_override(self, obj: Any) -> Any:
        """How an object travels."""
        if isinstance(obj, (FunctionType, CACHED, type)):
            module = getattr(obj, "__module__", None) or ""
            if not importable(module):
                _pack_by_value(module)
            elif _is_decorated(obj):
                return _undecorated, (module, obj.__qualname__)
        elif isinstance(obj, ContextVar):
            return _travelling(obj)
        return super().reducer_override(obj)


@functools.cache
def importable(name: str) -> bool:
    """Whether another process that imports `name` gets the module of that name which is loaded here.

    >>> importable("json"), importable("__main__")
    (True, False)
    """
    package = name.rpartition(".")[0]
    if name == "__main__" or (package and not importable(package)):
        return False
    path = getattr(sys.modules.get(package), "__path__", None) if package else None
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path)
        if spec is not None:
            file = getattr(sys.modules.get(name), "__file__", None)
            return file is None or os.path.realpath(file) == os.path.realpath(spec.origin or "")
    return False


def _pack_by_value(module: str) -> None:
    """Tell cloudpickle, which takes for granted that what is loaded can be imported."""
    if module in sys.modules and module != "__main__":
        cloudpickle.register_pickle_by_value(sys.modules[module])


def _is_decorated(function: Any) -> bool:
    """Whether the function's name stands for a step that was made of it."""
    try:
        return getattr(_named(function.__module__, function.__qualname__), "__wrapped__", None) is function
    except (AttributeError, KeyError):
        return False


def _named(module: str, qualname: str) -> Any:
    return functools.reduce(getattr, qualname.split("."), sys.modules[module])


def _undecorated(module: str, qualname: str) -> Any:
    """The function that the step of that name was made of."""
    __import__(module)
    return _named(module, qualname).__wrapped__


# -- exceptions --------------------------------------------------------------------------------------------


class Raised(NamedTuple):
    """An exception as it travels: itself and its causes, as bytes with their notes, and the text of its traceback."""

    errors: tuple[tuple[bytes, list[str]], ...]
    text: str


def raised(error: BaseException, step: str) -> Raised:
    """What to send of an exception that `step` raised; if it cannot be pickled, an error that says so in its place."""
    text = "".join(traceback.format_exception(error.with_traceback(_own_frames(error))))
    errors = []
    for each in _with_causes(error):
        try:
            data = packed(each)
            pickle.loads(data)  # many classes of exceptions can be pickled, but not unpickled
        except Exception as why:
            if each is not error:
                break  # the text has it
            data = packed(unpicklable_exception(step, error, why))
        errors.append((data, getattr(each, "__notes__", [])))
    return Raised(tuple(errors), text)


def rebuilt(sent: Raised) -> BaseException:
    """The exception, with the traceback that it had in the other process as a note."""
    errors: list[BaseException] = []
    for data, notes in sent.errors:
        error = pickle.loads(data)
        if notes:
            error.__notes__ = list(notes)
        if errors:
            errors[-1].__cause__ = error
        errors.append(error)
    errors[0].add_note(f"headrace: raised in a worker process:\n{sent.text.rstrip()}")
    return errors[0]


def unpicklable_exception(step: str, error: BaseException, why: Exception) -> UnpicklableError:
    """The error for an exception that cannot travel."""
    return UnpicklableError(
        f"{step}: raised {type(error).__qualname__}, which cannot be pickled ({why}); give its class picklable "
        f"attributes, and pass all that it is made of to super().__init__(...); its message is: {error}"
    )


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and not any(each is one for one in seen):
        seen.append(each)
        yield each
        each = each.__cause__


def _own_frames(error: BaseException) -> Any:
    """The traceback without the frames of headrace that it begins with."""
    frames = error.__traceback__
    while frames and frames.tb_next and frames.tb_frame.f_code.co_filename.startswith(HERE):
        frames = frames.tb_next
    return frames


# -- context variables ---------------------------------------------------------------------------------------

_keyed: dict[str, ContextVar[Any]] = {}  # those that no module has which can be imported


@functools.cache
def _travelling(variable: ContextVar[Any]) -> tuple[Callable[..., ContextVar[Any]], tuple[Any, ...]]:
    """How to have the same variable elsewhere: by its name in a module, or else by a key, with its default."""
    for module, loaded in list(sys.modules.items()):
        for name, value in list(getattr(loaded, "__dict__", {}).items()):
            if value is variable and importable(module):
                return _imported, (module, name)
    key = next((key for key, known in _keyed.items() if known is variable), uuid.uuid4().hex)
    _keyed[key] = variable
    return _carried, (key, variable.name, *_default(variable))


def _default(variable: ContextVar[Any]) -> list[Any]:
    try:
        return [Context().run(variable.get)]
    except LookupError:
        return []


def _imported(module: str, name: str) -> ContextVar[Any]:
    __import__(module)
    variable: ContextVar[Any] = getattr(sys.modules[module], name)
    return variable


def _carried(key: str, name: str, *default: Any) -> ContextVar[Any]:
    if key not in _keyed:
        _keyed[key] = ContextVar(name, default=default[0]) if default else ContextVar(name)
    return _keyed[key]
