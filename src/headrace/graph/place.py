"""Where in the user's code something is called."""

from __future__ import annotations

import functools
import os
import sys

__all__ = ["called_at", "file_name"]

PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
NOT_THE_USERS = (PACKAGE, functools.__file__)  # cached_property calls back from functools


def called_at() -> str:
    """File name and line of the innermost code that is not headrace's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(NOT_THE_USERS):
        frame = frame.f_back
    return f"{file_name(frame.f_code.co_filename)}:{frame.f_lineno}"


@functools.cache
def file_name(path: str) -> str:
    """The name of that file, without its folders."""
    return os.path.basename(path)
