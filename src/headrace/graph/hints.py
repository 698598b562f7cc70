"""Type hints, compared: whether one fits where another is asked for.

What counts is what a right program may do. Hints are gradual: `Any`, an unknown argument and a hint that is
not understood fit everything. Containers are compared item by item, as if all were covariant, and `int`
serves for `float` (PEP 484). The user's own generic classes are left to beartype, which is loaded only for
them.
"""

from __future__ import annotations

import collections.abc as abc
import functools
import inspect
import itertools
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, TypeVar, Union

__all__ = [
    "ITERATORS",
    "REQUIRED",
    "alternatives",
    "bind_variables",
    "can_be_hashed",
    "describe",
    "fits",
    "holds",
    "is_lazy",
    "is_stream",
    "is_union",
    "item_of",
    "iterates",
    "substitute",
    "takes_stream",
    "tuple_length",
    "tuple_of",
    "union",
]

ITERATORS = (
    abc.Iterator,
    abc.Iterable,
    abc.Generator,
    abc.AsyncIterator,
    abc.AsyncIterable,
    abc.AsyncGenerator,
)
LAZY = (abc.Iterator, abc.Iterable, abc.AsyncIterator, abc.AsyncIterable)
REQUIRED = inspect.Parameter.empty
ANYTHING = (Any, object, REQUIRED)
TOWER: dict[Any, tuple[type, ...]] = {float: (int,), complex: (int, float)}
ITEMS: dict[Any, Any] = {
    str: str,
    bytes: int,
    bytearray: int,
    memoryview: int,
    range: int,
    typing.TextIO: str,
    typing.BinaryIO: bytes,
}
PAIRS: dict[Any, tuple[type, ...]] = {abc.ItemsView: (), enumerate: (int,)}  # these iterate over tuples
ENOUGH_ITEMS = 1000  # of a constant, to judge it by


# -- streams -------------------------------------------------------------------------------------------------


def takes_stream(hint: Any, item: Any) -> bool:
    """Whether a parameter of that hint takes a lazy stream of `item`.

    >>> takes_stream(Iterator[str], int), takes_stream(list[str], str), takes_stream(Any, int)
    (True, False, True)
    """
    hint = _bare(hint)
    if hint in ANYTHING or isinstance(hint, TypeVar):
        return True
    if is_union(hint):
        return any(takes_stream(part, item) for part in typing.get_args(hint))
    return is_lazy(hint)


def is_lazy(hint: Any) -> bool:
    """Whether the hint names an iterator or iterable as such, rather than a container.

    >>> is_lazy(abc.Iterable[int]), is_lazy(list[int])
    (True, False)
    """
    origin = _origin(hint)
    return origin in LAZY or is_stream(origin)


def is_stream(hint: Any) -> bool:
    """Whether it is the language's `Stream`, known here only by what it is: both kinds of iterator."""
    origin = _origin(hint)
    return isinstance(origin, type) and issubclass(origin, abc.Iterator) and issubclass(origin, abc.AsyncIterator)


def item_of(hint: Any) -> Any:
    """The type of the items of an iterable hint; `Any` where it is not said.

    >>> item_of(list[int]), item_of(dict[str, int]), item_of(str), item_of(tuple[int, ...])
    (<class 'int'>, <class 'str'>, <class 'str'>, <class 'int'>)
    """
    hint = _bare(hint)
    if is_union(hint):
        parts = tuple(item_of(part) for part in typing.get_args(hint) if part is not type(None))
        return Any if Any in parts else union(parts)
    arguments, origin = typing.get_args(hint), _origin(hint)
    if not arguments:
        return ITEMS.get(origin, Any)
    if origin is tuple:
        return Any if _has_unpacked(arguments) else union(tuple(each for each in arguments if each is not Ellipsis))
    if origin in PAIRS:
        return tuple_of((*PAIRS[origin], *arguments))
    return arguments[0] if _lists_its_items_first(origin) else Any


def tuple_length(hint: Any) -> int | None:
    """How many items a tuple of that hint has; None where it is no tuple, or of any length.

    >>> tuple_length(tuple[int, str]), tuple_length(tuple[int, ...]), tuple_length(list[int])
    (2, None, None)
    """
    parts = typing.get_args(_bare(hint))
    fixed = typing.get_origin(_bare(hint)) is tuple and Ellipsis not in parts and not _has_unpacked(parts)
    return len(parts) if fixed else None


def iterates(hint: Any) -> bool:
    """Whether a value of that hint may be iterated, as far as the hint tells.

    >>> iterates(list[int]), iterates(int), iterates(Any)
    (True, False, True)
    """
    hint = _bare(hint)
    if hint in ANYTHING:
        return True
    if is_union(hint):
        return any(iterates(part) for part in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        return any(hasattr(value, "__iter__") for value in typing.get_args(hint))
    origin = _origin(hint)
    if not isinstance(origin, type):
        return True
    return any(hasattr(origin, name) for name in ("__iter__", "__getitem__")) or _is_protocol(origin)


def can_be_hashed(hint: Any) -> bool:
    """Whether what has that hint may be in a set. What is not known may.

    >>> can_be_hashed(str), can_be_hashed(list[int]), can_be_hashed(tuple[int, list[int]])
    (True, False, False)
    """
    hint = _bare(hint)
    if is_union(hint):
        return all(map(can_be_hashed, typing.get_args(hint)))
    if _origin(hint) is tuple:
        return all(can_be_hashed(part) for part in typing.get_args(hint) if part is not Ellipsis)
    return getattr(_origin(hint), "__hash__", len) is not None


# -- comparing -----------------------------------------------------------------------------------------------


def fits(given: Any, wanted: Any) -> bool:
    """Whether something of hint `given` may be passed where `wanted` is asked for.

    >>> fits(int, float), fits(list[int], list[float]), fits(str, int), fits(list[Any], list[int])
    (True, True, False, True)
    """
    given, wanted = _bare(given), _bare(wanted)
    if given in (Any, REQUIRED) or wanted in ANYTHING or given == wanted:
        return True
    if isinstance(given, TypeVar) or isinstance(wanted, TypeVar) or given in (typing.Never, typing.NoReturn):
        return True
    if is_union(given):
        return all(fits(part, wanted) for part in typing.get_args(given))
    if typing.get_origin(given) is typing.Literal:
        return all(holds(value, wanted) for value in typing.get_args(given))
    if is_union(wanted):
        return any(fits(given, part) for part in typing.get_args(wanted))
    if typing.get_origin(wanted) is typing.Literal:
        return isinstance(given, type) and issubclass(given, (bool, Enum))  # its members may be all there are
    if isinstance(wanted, typing.NewType):
        return isinstance(given, typing.NewType) and fits(given.__supertype__, wanted)
    if isinstance(given, typing.NewType):
        return fits(given.__supertype__, wanted)
    return _kind_fits(_origin(given), _origin(wanted)) and _arguments_fit(given, wanted)


def holds(value: object, wanted: Any) -> bool:
    """Whether a plain value may be passed where `wanted` is asked for.

    >>> holds(3, float), holds("3", int), holds([1], list[int])
    (True, False, True)
    """
    wanted = _bare(wanted)
    while isinstance(wanted, typing.NewType):
        wanted = _bare(wanted.__supertype__)
    if wanted in ANYTHING or isinstance(wanted, TypeVar):
        return True
    if is_union(wanted):
        return any(holds(value, part) for part in typing.get_args(wanted))
    if typing.get_origin(wanted) is typing.Literal:
        return any(type(value) is type(each) and value == each for each in typing.get_args(wanted))
    origin, arguments = _origin(wanted), typing.get_args(wanted)
    if not isinstance(origin, type):
        return True
    if origin is type and arguments:
        return isinstance(value, type) and fits(value, arguments[0])
    return _is_instance(value, origin) and (not arguments or _items_hold(value, wanted))


def _is_instance(value: object, kind: type) -> bool:
    if typing.is_typeddict(kind):
        return isinstance(value, Mapping)
    if is_stream(kind):  # one is made of whatever can be iterated
        kind = abc.Iterable
    if _is_protocol(kind):
        return all(hasattr(value, name) for name in _protocol_methods(kind))
    return isinstance(value, (kind, *TOWER.get(kind, ())))


def _items_hold(value: Any, wanted: Any) -> bool:
    origin, arguments = _origin(wanted), typing.get_args(wanted)
    if origin is tuple and Ellipsis not in arguments and not _has_unpacked(arguments):
        return len(value) == len(arguments) and all(map(holds, value, arguments))
    if isinstance(value, Mapping) and issubclass(origin, Mapping) and len(arguments) == 2:
        pairs = itertools.islice(value.items(), ENOUGH_ITEMS)
        return all(holds(key, arguments[0]) and holds(one, arguments[1]) for key, one in pairs)
    if isinstance(value, abc.Collection) and origin is not abc.Callable:
        return all(holds(item, item_of(wanted)) for item in itertools.islice(value, ENOUGH_ITEMS))
    return True


def _kind_fits(given: Any, wanted: Any) -> bool:
    """Whether the classes fit, whatever their arguments are."""
    if not isinstance(given, type) or not isinstance(wanted, type):
        return True  # a special form that is not known here proves nothing
    if typing.is_typeddict(wanted):
        return issubclass(given, Mapping)
    if _is_protocol(wanted):
        return _may_have_any_method(given) or all(hasattr(given, name) for name in _protocol_methods(wanted))
    if _is_file(given) and issubclass(abc.Iterator, wanted):
        return True
    return issubclass(given, (wanted, *TOWER.get(wanted, ())))


def _arguments_fit(given: Any, wanted: Any) -> bool:
    parts, asked = typing.get_args(given), typing.get_args(wanted)
    origin = _origin(wanted)
    if origin is abc.Callable:
        return not parts or not asked or _callable_fits(parts, asked)
    if not isinstance(origin, type) or not asked:
        return True
    if origin is tuple:
        return not parts or _tuple_fits(parts, asked)
    if origin is _origin(given) or (_is_mapping(origin) and _is_mapping(_origin(given)) and len(parts) == len(asked)):
        return all(map(fits, parts, asked))
    if _lists_its_items_first(origin) and _is_standard(_origin(given)):
        return fits(item_of(given), asked[0])
    return not _says_its_arguments(given, origin) or _is_subhint(given, wanted)


def _tuple_fits(parts: tuple[Any, ...], asked: tuple[Any, ...]) -> bool:
    if _has_unpacked(parts) or _has_unpacked(asked):
        return True
    if Ellipsis in asked or Ellipsis in parts:
        return fits(item_of(tuple_of(parts)), union(tuple(each for each in asked if each is not Ellipsis)))
    return len(parts) == len(asked) and all(map(fits, parts, asked))


def _callable_fits(parts: tuple[Any, ...], asked: tuple[Any, ...]) -> bool:
    if not fits(parts[-1], asked[-1]):
        return False
    if not isinstance(parts[0], list) or not isinstance(asked[0], list):  # an ellipsis, or parameters unknown
        return True
    return len(parts[0]) == len(asked[0]) and all(map(fits, asked[0], parts[0]))


def _says_its_arguments(given: Any, base: Any) -> bool:
    """Whether it can be told with which arguments that class derives from `base`."""
    if typing.is_typeddict(given):  # in a run it is a plain dict
        return False
    named = typing.get_args(given) or not getattr(given, "__parameters__", ())
    return bool(named) and base in _origin(given).__mro__ and hasattr(_origin(given), "__orig_bases__")


def _is_subhint(given: Any, wanted: Any) -> bool:
    from beartype.door import is_subhint

    try:
        return is_subhint(given, wanted)
    except Exception:  # a hint that beartype does not know proves nothing
        return True


# -- type variables ------------------------------------------------------------------------------------------


def bind_variables(wanted: Any, given: Any, bindings: dict[Any, Any]) -> None:
    """Note what the type variables of `wanted` stand for when it is given `given`.

    >>> bindings = {}
    >>> bind_variables(dict[str, T], dict[str, int], bindings)
    >>> bindings[T]
    <class 'int'>
    """
    if type(wanted) is type:  # as most are
        return
    wanted, given = _bare(wanted), _bare(given)
    if isinstance(wanted, TypeVar):
        bindings[wanted] = _bound(wanted, given, bindings)
    elif is_union(wanted):
        _bind_union(wanted, given, bindings)
    elif typing.get_args(wanted):
        for inner, outer in _paired_arguments(wanted, given):
            bind_variables(inner, outer, bindings)


def _bound(variable: TypeVar, given: Any, bindings: dict[Any, Any]) -> Any:
    """What the variable stands for now: also for what it stood for before, and never for what it must not."""
    limit = union(variable.__constraints__) if variable.__constraints__ else variable.__bound__
    if limit is not None and not fits(given, limit):
        return limit
    known = bindings.get(variable, given)
    if Any in (known, given) or fits(known, given):
        return Any if known is Any else given
    return known if fits(given, known) else union((known, given))


def _bind_union(wanted: Any, given: Any, bindings: dict[Any, Any]) -> None:
    """Bind the variables of a union to those parts of `given` that its other parts do not take."""
    open_parts = [part for part in typing.get_args(wanted) if isinstance(part, TypeVar) or _variables(part)]
    closed = [part for part in typing.get_args(wanted) if part not in open_parts]
    parts = typing.get_args(given) if is_union(given) else (given,)
    left = [part for part in parts if not any(fits(part, each) for each in closed) or part is Any]
    for part in open_parts:
        if left and (isinstance(part, TypeVar) or fits(left[0], _origin(part))):
            bind_variables(part, union(tuple(left)) if isinstance(part, TypeVar) else left[0], bindings)


def _paired_arguments(wanted: Any, given: Any) -> Iterator[tuple[Any, Any]]:
    """The arguments of `wanted`, each with what `given` has in that place, as far as that is known."""
    asked, parts = typing.get_args(wanted), typing.get_args(given)
    origin, source = _origin(wanted), _origin(given)
    if origin is tuple and source is tuple and Ellipsis in (*asked, *parts):
        yield from ((each, item_of(given)) for each in asked if each is not Ellipsis)
    elif origin is source or (_is_mapping(origin) and _is_mapping(source) and len(asked) == len(parts)):
        yield from zip(asked, parts, strict=False)
    elif _lists_its_items_first(origin) and _is_standard(source):
        yield asked[0], item_of(given)


def substitute(hint: Any, bindings: Mapping[Any, Any]) -> Any:
    """`hint` with its type variables replaced; those that are not bound become `Any`.

    >>> substitute(list[T], {T: int}), substitute(list[T], {})
    (list[int], list[typing.Any])
    """
    if isinstance(hint, TypeVar):
        return bindings.get(hint, Any)
    variables = _variables(hint)
    if not variables:
        return hint
    if not all(isinstance(variable, TypeVar) for variable in variables):  # variadic generics
        return typing.get_origin(hint) or hint
    return hint[tuple(bindings.get(variable, Any) for variable in variables)]


# -- showing -------------------------------------------------------------------------------------------------


def describe(hint: Any) -> str:
    """A hint as a user would write it.

    >>> describe(list[int]), describe(int), describe(abc.Iterator[str]), describe(None), describe(int | None)
    ('list[int]', 'int', 'Iterator[str]', 'None', 'int | None')
    """
    if hint is REQUIRED or hint is Any:
        return "Any"
    if hint is Ellipsis:
        return "..."
    hint = _bare(hint)
    if hint is type(None):
        return "None"
    if type(hint) is type:  # as most are
        return _described_name(hint)
    if is_union(hint):
        return " | ".join(describe(part) for part in typing.get_args(hint))
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return f"Literal[{', '.join(map(_described_literal, arguments))}]"
    origin = _origin(hint)
    name = _described_name(origin)
    if origin is tuple and hint is not tuple and not arguments:
        return "tuple[()]"
    return f"{name}[{', '.join(map(_described_argument, arguments))}]" if arguments else name


def _described_name(origin: Any) -> str:
    name = getattr(origin, "__qualname__", None) or getattr(origin, "__name__", None) or str(origin)
    return str(name).rsplit("<locals>.", 1)[-1]


def _described_literal(value: object) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


def _described_argument(argument: Any) -> str:
    return f"[{', '.join(map(describe, argument))}]" if isinstance(argument, list) else describe(argument)


# -- the parts of a hint -------------------------------------------------------------------------------------


def is_union(hint: Any) -> bool:
    """Whether the hint is a union, written either way."""
    return type(hint) is not type and typing.get_origin(hint) in (Union, types.UnionType)


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The hints of which one is enough: the parts of a union, or the hint alone.

    >>> alternatives(int | Annotated[str, "a name"]), alternatives(list[int])
    ((<class 'int'>, <class 'str'>), (list[int],))
    """
    hint = _bare(hint)
    return tuple(map(_bare, typing.get_args(hint))) if is_union(hint) else (hint,)


def union(parts: tuple[Any, ...]) -> Any:
    """The union of some hints; `Any` if there are none, or if one is not a type."""
    try:
        return Union[parts] if parts else Any  # noqa: UP007  # the parts are known only now
    except TypeError:
        return Any


def tuple_of(hints: tuple[Any, ...]) -> Any:
    """The hint of a tuple of these."""
    return tuple.__class_getitem__(hints)


def _origin(hint: Any) -> Any:
    return hint if type(hint) is type else typing.get_origin(hint) or hint


def _bare(hint: Any) -> Any:
    """The hint without what says nothing about the type: `Annotated`, `Final`, a type alias's name."""
    if type(hint) is type:  # as most are: nothing is around it
        return hint
    while True:
        if typing.get_origin(hint) in WRAPPERS:
            hint = typing.get_args(hint)[0]
        elif hasattr(hint, "__value__") and hasattr(hint, "__type_params__"):  # PEP 695's `type X = ...`
            hint = hint.__value__
        elif hint is None:
            return type(None)
        else:
            return str if hint is typing.LiteralString else hint


WRAPPERS = (Annotated, typing.Final, typing.ClassVar, typing.Required, typing.NotRequired)


def _variables(hint: Any) -> tuple[Any, ...]:
    """The type variables in a hint with arguments."""
    return getattr(hint, "__parameters__", ()) if typing.get_args(hint) else ()


def _has_unpacked(arguments: tuple[Any, ...]) -> bool:
    return any(getattr(each, "__unpacked__", False) or _origin(each) is typing.Unpack for each in arguments)


def _is_mapping(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Mapping)


@functools.cache
def _is_standard(kind: Any) -> bool:
    """Whether it is an iterable of Python's own, so that its arguments are known to be those of its items."""
    known = getattr(kind, "__module__", "") in ("builtins", "collections", "collections.abc", "typing")
    if _is_file(kind):
        return True
    return (known or is_stream(kind)) and (hasattr(kind, "__iter__") or hasattr(kind, "__aiter__"))


def _is_file(kind: Any) -> bool:
    """Whether it is a file of `typing`, which only type checkers know to be an iterator."""
    return isinstance(kind, type) and issubclass(kind, typing.IO)


def _lists_its_items_first(kind: Any) -> bool:
    """Whether the first argument of that generic class is the type of what it iterates over."""
    return _is_standard(kind) and kind is not tuple and kind not in PAIRS


def _is_protocol(kind: type) -> bool:
    return getattr(kind, "_is_protocol", False)


@functools.cache
def _protocol_methods(kind: type) -> tuple[str, ...]:
    """The methods that a protocol asks for (its data may be set by `__init__`, so it proves nothing)."""
    ignored = {"__init__", "__subclasshook__", "__init_subclass__", "__class_getitem__"}
    members = [item for base in kind.__mro__ if _is_protocol(base) for item in vars(base).items()]
    return tuple(name for name, member in members if inspect.isfunction(member) and name not in ignored)


def _may_have_any_method(kind: type) -> bool:
    return issubclass(kind, (type, types.ModuleType)) or hasattr(kind, "__getattr__")


T = TypeVar("T")  # for the examples above
