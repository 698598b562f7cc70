"""Where in the user's code something is called."""

from __future__ import annotations

import functools
import os
import sys
from types import FrameType

__all__ = ["called_at", "called_in", "file_name"]

PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
NOT_THE_USERS = (PACKAGE, functools.__file__)  # cached_property calls back from functools


def called_at() -> str:
    """File name and line of the innermost code that is not headrace's own."""
    frame = _users(sys._getframe(1))
    return f"{file_name(frame.f_code.co_filename)}:{frame.f_lineno}"


def called_in() -> str:
    """The name of the module of that code."""
    name: str = _users(sys._getframe(1)).f_globals.get("__name__", "")
    return name


def _users(frame: FrameType) -> FrameType:
    """The innermost frame that is not headrace's own."""
    while frame.f_back is not None and frame.f_code.co_filename.startswith(NOT_THE_USERS):
        frame = frame.f_back
    return frame


def file_name(path: str) -> str:
    """The name of that file, without its folders; that of a cell of a notebook is as it is there: `In[3]`.

    >>> file_name("/home/me/app.py")
    'app.py'
    """
    return _base_name(path) if "IPython" not in sys.modules else _cell(path) or _base_name(path)


_base_name = functools.cache(os.path.basename)


def _cell(path: str) -> str | None:
    """A cell that is run again has its old path, and a new number."""
    shell = sys.modules["IPython"].get_ipython()
    named = shell.compile.format_code_name(path) if shell else None
    return named[1] if named else None
