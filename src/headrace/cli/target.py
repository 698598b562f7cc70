"""What a command is about: a file or a module, and the pipelines in it."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace.cli.ending import Refusal
from headrace.dsl.flow import Flow
from headrace.dsl.pipeline import Pipeline
from headrace.errors import BuildError

__all__ = ["AnyFlow", "find", "flows_in", "load", "pick", "refusing_what_is_wrong", "split"]

AnyFlow = Flow[Any, Any]
FIND_FIX = "give the path of a Python file, or the name of a module"


def find(target: str) -> AnyFlow:
    """The pipeline that `target` names, compiled."""
    place, name = split(target)
    with refusing_what_is_wrong(place):
        flow = pick(place, name, vars(load(place)))
        flow.dag  # noqa: B018  # a step and a line of steps are compiled only now
    return flow


def split(target: str) -> tuple[str, str]:
    """The place and the name in PLACE:NAME; the name may be missing.

    >>> split("app.py:crawl"), split("app.crawling")
    (('app.py', 'crawl'), ('app.crawling', ''))
    """
    named = re.fullmatch(r"(.*):([^:/\\]*)", target)  # C:\crawl.py names none
    place, name = named.groups() if named else (target, "")
    return place, name


def flows_in(names: Mapping[str, object]) -> dict[str, AnyFlow]:
    """The pipelines and steps among the names of a module, pipelines first; each once, by its first name."""
    found = {key: flow for key, flow in names.items() if isinstance(flow, Flow) and key[0] != "_"}
    first = {id(flow): key for key, flow in reversed(found.items())}
    own = {key: flow for key, flow in found.items() if first[id(flow)] == key}
    return {key: flow for key, flow in own.items() if isinstance(flow, Pipeline)} | own


def pick(place: str, name: str, names: Mapping[str, object]) -> AnyFlow:
    """What a module has by that name, or if none is given its only pipeline.

    Raises: Refusal: there is none.
    """
    found = flows_in(names)
    pipelines: list[AnyFlow] = [flow for flow in found.values() if isinstance(flow, Pipeline)]
    there = f"there are {', '.join(found)}" if found else "decorate a function with @pipeline"
    candidates = pipelines or [*found.values()]
    if not name and len(candidates) == 1:
        return candidates[0]
    if not name:
        raise Refusal(f"{place}: has {len(candidates) or 'no'} pipelines, got no name of one; {there}")
    if name not in names:
        near = difflib.get_close_matches(name, found)
        raise Refusal(f"{place}: has no pipeline '{name}'; {f'did you mean {near[0]}?' if near else there}")
    if not isinstance(named := names[name], Flow):
        raise Refusal(f"{place}: '{name}' must be a pipeline or a step, got a {type(named).__name__}; {there}")
    return named


# -- loading -------------------------------------------------------------------------------------------------


def load(place: str) -> ModuleType:
    """The module of that name, or in that file.

    Raises: Refusal: there is none; and whatever loading it raises.
    """
    is_file = place.endswith(".py") or "/" in place or os.sep in place or Path(place).is_file()
    return _load_file(Path(place)) if is_file else _load_module(place)


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
def refusing_what_is_wrong(place: str) -> Iterator[None]:
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
