"""Which version of a step a result belongs to: that of its function's code, or the one that the user gave it.

The code is that of the function itself and of the functions inside it: bytecode, constants, names, defaults, what it
closes over, and what a decorator put around it. Where it stands, what it is called, and comments do not count. What it
calls or reads from its module is not looked at: whoever changes that gives the step a version.
"""

from __future__ import annotations

import functools
import inspect
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import msgspec

from headrace.engine.encoding import Unencodable, digest, identity
from headrace.graph.dag import Node

__all__ = ["code_of", "version_of"]


def code_of(function: Any) -> str:
    """A fingerprint of a function: of its code, and of what it has with it now.

    >>> code_of(lambda text: len(text)) == code_of(lambda word: len(word))
    False
    >>> code_of(len) == code_of(len)
    True
    """
    return digest(identity(_of_function(function, []))).hex()


def version_of(node: Node, code: str, hint: Any) -> str:
    """A fingerprint of what the results of that node depend on, apart from its arguments."""
    return digest(identity([node.version or code, node.kind, node.type, _shape(hint)])).hex()


def _shape(hint: Any) -> str:
    """The fields of the classes in a result, as far as they can be told: a change of theirs counts too."""
    try:
        return str(msgspec.json.schema(hint, schema_hook=lambda kind: {"type": kind.__qualname__}))
    except Exception:  # msgspec does not know such a type
        return ""


def _of_function(function: Any, inside: list[Any]) -> Any:
    """Whatever can be called, as data. `inside` are the functions around it, which may refer to each other."""
    for place, outer in enumerate(inside):
        if function is outer:
            return place
    inside = [*inside, function]
    if isinstance(function, functools.partial):
        parts = [function.func, *function.args, *sorted(function.keywords.items())]
        return [_of_value(part, inside) for part in parts]
    if isinstance(function, MethodType):
        return [_of_function(function.__func__, inside), _of_value(function.__self__, inside)]
    if isinstance(function, FunctionType):
        return _of_plain(function, inside)
    if hasattr(function, "__wrapped__"):
        return _of_function(function.__wrapped__, inside)
    if isinstance(function, (type, BuiltinFunctionType)) or inspect.isroutine(function):
        return [getattr(function, "__module__", None), function.__qualname__]
    return [_of_function(type(function).__call__, inside), _of_value(function, inside)]


def _of_plain(function: FunctionType, inside: list[Any]) -> list[Any]:
    defaults = [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
    closure = [_content(cell) for cell in function.__closure__ or ()]
    return [
        _of_code(function.__code__, function.__doc__),
        [_of_value(value, inside) for value in defaults],
        [_of_value(value, inside) for value in closure],
    ]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is still empty
        return None


def _of_value(value: Any, inside: list[Any]) -> Any:
    """What a function has with it. What is no data counts by its type."""
    if isinstance(value, (FunctionType, MethodType, functools.partial, BuiltinFunctionType)):
        return _of_function(value, inside)
    try:
        return identity(value)
    except Unencodable:
        return [type(value).__qualname__]


def _of_code(code: CodeType, text: str | None = None) -> list[Any]:
    """The code without its `text`, which is what it says about itself."""
    constants = code.co_consts
    if text is not None and constants[:1] == (text,):
        constants = (None, *constants[1:])
    return [
        code.co_code,
        [_of_constant(each) for each in constants],
        [*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars],
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
    ]


def _of_constant(constant: Any) -> Any:
    if isinstance(constant, CodeType):
        return _of_code(constant)
    if isinstance(constant, tuple):
        return [_of_constant(each) for each in constant]
    if isinstance(constant, frozenset):
        return sorted(map(repr, constant))
    return [type(constant).__qualname__, repr(constant)]
