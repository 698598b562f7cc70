"""Which type hints fit which: a right program is never refused, a clearly wrong one is."""

from __future__ import annotations

import collections
import enum
import typing
from collections import abc
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NewType, Optional, Protocol, TypedDict, TypeVar, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import Stream
from headrace.graph.hints import bind_variables, describe, fits, holds, item_of, iterates, substitute

T = TypeVar("T")
U = TypeVar("U")
Ts = typing.TypeVarTuple("Ts")
P = typing.ParamSpec("P")
UserId = NewType("UserId", int)
AdminId = NewType("AdminId", UserId)


class Animal: ...


class Dog(Animal): ...


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Row(TypedDict):
    name: str


class Named(Protocol):
    name: str


class Reader(Protocol):
    def read(self, count: int) -> bytes: ...


class File:
    def read(self, count: int) -> bytes:
        return b""


class Anything:
    def __getattr__(self, name: str) -> Any: ...


class Box(Generic[T]): ...


class IntBox(Box[int]): ...


class SubBox(Box[T]): ...


class Names(list[str]): ...


class Shelf(Generic[T]):  # iterates over something else than its argument
    def __iter__(self) -> Iterator[str]: ...


class Rows:  # says nowhere that it is iterable
    def __iter__(self) -> Iterator[int]: ...


Bounded = TypeVar("Bounded", bound=Animal)
Text = TypeVar("Text", str, bytes)

FIT = [
    # the same, anything, subclasses
    (int, int),
    (int, Any),
    (Any, int),
    (int, object),
    (Dog, Animal),
    (bool, int),
    (T, int),
    (int, T),
    (typing.Never, int),
    (typing.NoReturn, int),
    (None, type(None)),
    (type(None), None),
    # int serves for float, wherever it stands
    (int, float),
    (bool, float),
    (float, complex),
    (int, complex),
    (list[int], list[float]),
    (dict[str, int], Mapping[str, float]),
    (tuple[int, int], tuple[float, float]),
    (int, float | None),
    (Iterator[int], Iterable[float]),
    # unions
    (int, int | str),
    (int | str, str | int),
    (int | None, Optional[int]),  # noqa: UP045
    (Optional[int], int | None),  # noqa: UP045
    (Union[int, str], int | str | None),  # noqa: UP007
    (list[int] | tuple[int, ...], Sequence[int]),
    (int, str | Any),
    (list[int], list[int | str]),
    # containers as the protocols that they have
    (list[int], Iterable[int]),
    (list[int], Sequence[int]),
    (list[int], abc.Collection[int]),
    (tuple[int, ...], Sequence[int]),
    (tuple[int, str], Sequence[int | str]),
    (tuple[int, str], Iterable[object]),
    (dict[str, int], Mapping[str, int]),
    (dict[str, int], Iterable[str]),
    (collections.defaultdict[str, int], dict[str, int]),
    (collections.Counter[str], Mapping[str, int]),
    (collections.deque[int], abc.MutableSequence[int]),
    (abc.KeysView[str], Iterable[str]),
    (abc.ItemsView[str, int], Iterable[tuple[str, int]]),
    (abc.ValuesView[int], Iterable[int]),
    (enumerate[str], Iterator[tuple[int, str]]),
    (range, Sequence[int]),
    (str, Sequence[str]),
    (str, Iterable[str]),
    (bytes, Iterable[int]),
    (abc.Generator[int, None, None], Iterator[int]),
    (abc.AsyncGenerator[int, None], abc.AsyncIterator[int]),
    (frozenset[int], abc.Set[int]),
    (typing.List[int], list[int]),  # noqa: UP006
    (list[int], typing.Sequence[int]),
    (typing.TextIO, Iterable[str]),
    (typing.IO[bytes], Iterable[bytes]),
    (Rows, Iterable[str]),  # it does not say of what
    (Names, Iterable[str]),
    (Names, list[str]),
    # arguments that are not known
    (list, list[int]),
    (list[int], list),
    (list[Any], list[int]),
    (list[int], list[Any]),
    (dict, Mapping[str, int]),
    (tuple, tuple[int, str]),
    (tuple[Any, ...], tuple[int, str]),
    # tuples
    (tuple[int, str], tuple[int, str]),
    (tuple[int, int], tuple[int, ...]),
    (tuple[int, ...], tuple[int, int]),  # what .batched(2) gives
    (tuple[()], tuple[int, ...]),
    (tuple[int, Any], tuple[int, str]),
    (tuple[int, *tuple[str, ...]], tuple[Any, ...]),
    (tuple[Dog, Dog], tuple[Animal, ...]),
    # literals
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (Literal[1, 2], int),
    (Literal[1], float),
    (Literal["a", None], str | None),
    (Literal[Color.RED], Color),
    (bool, Literal[True, False]),
    (Color, Literal[Color.RED, Color.BLUE]),
    (typing.LiteralString, str),
    (str, typing.LiteralString),
    # what says nothing about the type
    (Annotated[int, "metres"], int),
    (int, Annotated[int, "metres"]),
    (list[Annotated[int, "metres"]], list[int]),
    (typing.Final[int], int),
    # new types
    (UserId, int),
    (UserId, float),
    (AdminId, UserId),
    (AdminId, int),
    (UserId, UserId),
    (list[UserId], list[int]),
    # typed dicts are dicts
    (Row, dict),
    (Row, Mapping[str, Any]),
    (Row, dict[str, Any]),
    (Row, Row),
    (dict[str, Any], Row),
    (list[Row], list[dict[str, Any]]),
    # protocols
    (File, Reader),
    (Anything, Reader),
    (File, Named),  # its data may be set by __init__
    (int, typing.SupportsIndex),
    (int, typing.SupportsFloat),
    (str, typing.Hashable),
    (list[int], typing.Sized),
    (type[File], Reader),
    # callables
    (Callable[[int], str], Callable[[int], str]),
    (Callable[[float], str], Callable[[int], object]),
    (Callable[[int], str], Callable[..., Any]),
    (Callable[..., Any], Callable[[int], str]),
    (Callable[[int], str], Callable),
    (Callable, Callable[[int], str]),
    (Callable[P, int], Callable[[str], int]),
    (type(len), Callable[[str], int]),
    (type[int], Callable[[str], int]),
    # classes
    (type[Dog], type[Animal]),
    (type[Dog], type),
    (type, type[Dog]),
    # the user's own generic classes
    (Box[int], Box[int]),
    (Box[bool], Box[int]),
    (Box, Box[int]),
    (Box[int], Box),
    (IntBox, Box[int]),
    (SubBox[int], Box[int]),
    (SubBox[int], Box[Any]),
    (Shelf[int], Iterable[str]),
    # what is no type proves nothing
    (int, "Page"),
    ("Page", int),
    (int, 3),
    (typing.ForwardRef("Page"), int),
]

DO_NOT_FIT = [
    (str, int),
    (int, str),
    (float, int),
    (Animal, Dog),
    (object, int),
    (int | None, int),
    (int | str, int),
    (None, int),
    (int, None),
    (int, list[int]),
    (list[str], list[int]),
    (list[int], dict[str, int]),
    (list[int], str),
    (dict[str, int], Mapping[str, str]),
    (dict[str, int], Iterable[int]),
    (Sequence[int], list[int]),
    (Iterable[int], Iterator[int]),
    (Iterator[int], list[int]),
    (set[int], Sequence[int]),
    (str, Iterable[int]),
    (str, list[str]),
    (range, Sequence[str]),
    (abc.Generator[int, None, None], Iterator[str]),
    (abc.ItemsView[str, int], Iterable[str]),
    (tuple[int, str], tuple[int, int]),
    (tuple[int, str], tuple[int]),
    (tuple[int, str], tuple[int, str, int]),
    (tuple[int, str], tuple[int, ...]),
    (tuple[str, ...], tuple[int, int]),
    (tuple[int, str], list[int]),
    (str, Literal["a"]),
    (Literal["c"], Literal["a", "b"]),
    (Literal[1], str),
    (Literal[True], Literal[1]),
    (int, Color),
    (int, UserId),
    (UserId, AdminId),
    (UserId, str),
    (int, Row),
    (list[int], Row),
    (str, Reader),
    (None, Reader),
    (list[int], typing.Hashable),
    (int, Callable[[int], str]),
    (Callable[[int], str], Callable[[int], int]),
    (Callable[[int], str], Callable[[str], str]),
    (Callable[[int], str], Callable[[int, int], str]),
    (Callable[[int], str], str),
    (type[Animal], type[Dog]),
    (type[int], int),
    (Box[str], Box[int]),
    (IntBox, Box[str]),
    (SubBox[str], Box[int]),
    (Names, list[int]),
    (typing.TextIO, Iterable[bytes]),
    (Annotated[str, "metres"], int),
]


def label(pair: tuple[Any, ...]) -> str:
    return " -> ".join(describe(hint) for hint in pair)


@pytest.mark.parametrize(("given_hint", "wanted"), FIT, ids=map(label, FIT))
def test_what_a_right_program_may_do_fits(given_hint: Any, wanted: Any) -> None:
    assert fits(given_hint, wanted)


@pytest.mark.parametrize(("given_hint", "wanted"), DO_NOT_FIT, ids=map(label, DO_NOT_FIT))
def test_what_is_clearly_wrong_does_not_fit(given_hint: Any, wanted: Any) -> None:
    assert not fits(given_hint, wanted)


# -- plain values --------------------------------------------------------------------------------------------

HELD = [
    (3, int),
    (3, float),
    (True, int),
    (3, Any),
    (None, None),
    (None, int | None),
    ([1, 2], list[int]),
    ([1, 2], Iterable[float]),
    ([], list[int]),
    (["a"], Stream[str]),
    ((1, "a"), tuple[int, str]),
    ((1, 2, 3), tuple[int, ...]),
    ((), tuple[int, ...]),
    ({"a": 1}, dict[str, int]),
    ({"a": 1}, Mapping[str, float]),
    ({"a": 1}, Iterable[str]),
    ({"name": "a"}, Row),
    ({1, 2}, abc.Set[int]),
    ("abc", Sequence[str]),
    (range(3), Sequence[int]),
    (iter([1]), Iterator[str]),  # looking into it would use it up
    ("a", Literal["a", "b"]),
    (Color.RED, Literal[Color.RED]),
    (3, UserId),
    (3, Annotated[int, "metres"]),
    (File(), Reader),
    (len, Callable[[str], int]),
    (Dog, type[Animal]),
    (Dog(), Animal),
    (Dog(), T),
    (IntBox(), Box[int]),
    (3, "Page"),
    ([[1], [2]], list[list[int]]),
]
NOT_HELD = [
    ("3", int),
    (3.5, int),
    (3, str),
    (None, int),
    ([1, "2"], list[int]),
    (["a", 1], Stream[str]),
    ([1], tuple[int, ...]),
    ((1, 2), tuple[int]),
    ((1, "a"), tuple[int, int]),
    ({"a": "b"}, dict[str, int]),
    ({1: 1}, Mapping[str, int]),
    ("abc", Sequence[int]),
    ("c", Literal["a", "b"]),
    (True, Literal[1]),
    ([1], Row),
    (3, Reader),
    (3, Callable[[str], int]),
    (Animal, type[Dog]),
    (3, type[Dog]),
    (Animal(), Dog),
    ([[1], ["2"]], list[list[int]]),
]


@pytest.mark.parametrize(("value", "wanted"), HELD, ids=[f"{v!r:.20} in {describe(w)}" for v, w in HELD])
def test_value_of_the_right_type_is_held(value: object, wanted: Any) -> None:
    assert holds(value, wanted)


@pytest.mark.parametrize(("value", "wanted"), NOT_HELD, ids=[f"{v!r:.20} in {describe(w)}" for v, w in NOT_HELD])
def test_value_of_another_type_is_not_held(value: object, wanted: Any) -> None:
    assert not holds(value, wanted)


# -- items ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "item"),
    [
        (list[int], int),
        (Iterator[str], str),
        (Stream[str], str),
        (abc.AsyncIterator[str], str),
        (dict[str, int], str),
        (abc.ItemsView[str, int], tuple[str, int]),
        (tuple[int, ...], int),
        (tuple[int, str], int | str),
        (list[int] | tuple[str, ...], int | str),
        (Iterator[str] | None, str),
        (Annotated[list[int], "sorted"], int),
        (enumerate[str], tuple[int, str]),
        (str, str),
        (bytes, int),
        (range, int),
        (list, Any),
        (Any, Any),
        (Shelf[int], Any),
        (Rows, Any),
        (tuple[int, *tuple[str, ...]], Any),
    ],
)
def test_item_type_is_that_of_iteration(hint: Any, item: Any) -> None:
    assert item_of(hint) == item


@pytest.mark.parametrize(
    "hint",
    [list[int], str, Any, object, T, Rows, Iterator[int], int | list[int], Reader, "Page", Literal["ab"]],
)
def test_what_may_be_iterated_iterates(hint: Any) -> None:
    assert iterates(hint)


@pytest.mark.parametrize(
    "hint", [int, None, Dog, int | float, Callable[[int], str], Literal[1], AsyncIterator[int], AsyncIterable]
)
def test_what_cannot_be_iterated_does_not_iterate(hint: Any) -> None:
    assert not iterates(hint)


# -- type variables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "given_hint", "result", "filled"),
    [
        (T, int, list[T], list[int]),
        (list[T], list[int], T, int),
        (Iterable[T], list[int], T, int),
        (Iterable[T], tuple[int, str], T, int | str),
        (Iterable[T], str, T, str),
        (Iterable[T], dict[str, int], T, str),
        (Iterable[tuple[T, U]], abc.ItemsView[str, int], dict[T, U], dict[str, int]),
        (Mapping[T, U], dict[str, int], dict[U, T], dict[int, str]),
        (tuple[T, U], tuple[int, str], tuple[U, T], tuple[str, int]),
        (tuple[T, U], tuple[int, ...], tuple[U, T], tuple[int, int]),
        (tuple[T, ...], tuple[int, str], T, int | str),
        (T | None, int | None, T, int),
        (T | None, None | int, T, int),
        (T | None, int, T, int),
        (T | list[T], list[int], Any, Any),
        (list[T] | None, list[int] | None, T, int),
        (Callable[[T], U], Callable[[int], str], U, str),
        (type[T], type[int], T, int),
        (Box[T], Box[int], T, int),
        (Annotated[T, "x"], int, T, int),
        (list[T], Any, T, Any),
        (list[T], int, T, Any),
        (Box[T], SubBox[int], T, Any),
        (Bounded, Dog, Bounded, Dog),
        (Bounded, int, Bounded, Animal),  # so that the check names the bound
        (Text, str, Text, str),
        (Text, int, Text, str | bytes),
        (tuple[*Ts], tuple[int, str], tuple[*Ts], tuple),
        (Callable[P, T], Callable[[int], str], T, str),
    ],
)
def test_type_variables_are_bound_as_far_as_is_known(wanted: Any, given_hint: Any, result: Any, filled: Any) -> None:
    bindings: dict[Any, Any] = {}
    bind_variables(wanted, given_hint, bindings)
    assert substitute(result, bindings) == filled


@pytest.mark.parametrize(
    ("first", "second", "bound"),
    [
        (int, int, int),
        (int, str, int | str),
        (Dog, Animal, Animal),
        (Animal, Dog, Animal),
        (int, Any, Any),
        (Any, int, Any),
    ],
)
def test_type_variable_that_is_given_two_types_stands_for_both(first: Any, second: Any, bound: Any) -> None:
    bindings: dict[Any, Any] = {}
    bind_variables(T, first, bindings)
    bind_variables(T, second, bindings)
    assert bindings[T] == bound


# -- showing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (None, "None"),
        (Any, "Any"),
        (Iterator[str], "Iterator[str]"),
        (typing.Iterator[str], "Iterator[str]"),
        (Optional[int], "int | None"),  # noqa: UP045
        (list[int | None], "list[int | None]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[()], "tuple[()]"),
        (Callable[[int, str], bool], "Callable[[int, str], bool]"),
        (Callable[..., Any], "Callable[..., Any]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Literal[Color.RED], "Literal[Color.RED]"),
        (Annotated[int, "metres"], "int"),
        (UserId, "UserId"),
        (T, "T"),
        (Box[int], "Box[int]"),
        (Stream[str], "Stream[str]"),
        (type[int], "type[int]"),
    ],
)
def test_hint_is_shown_as_a_user_writes_it(hint: Any, text: str) -> None:
    assert describe(hint) == text


def test_local_class_is_shown_by_its_name() -> None:
    class Local: ...

    assert describe(list[Local]) == "list[Local]"


# -- laws ----------------------------------------------------------------------------------------------------

plain_hints = st.sampled_from([int, float, str, bool, bytes, type(None), Any, Dog, Animal, UserId, Row, Color, object])
hints = st.recursive(
    plain_hints,
    lambda inner: st.one_of(
        inner.map(lambda hint: list[hint]),
        inner.map(lambda hint: Iterator[hint]),
        inner.map(lambda hint: tuple[hint, ...]),
        st.tuples(inner, inner).map(lambda pair: tuple[pair]),
        st.tuples(inner, inner).map(lambda pair: dict[pair]),
        st.tuples(inner, inner).map(lambda pair: Union[pair]),  # noqa: UP007
        st.tuples(inner, inner).map(lambda pair: Callable[[pair[0]], pair[1]]),
    ),
    max_leaves=6,
)


@given(hints)
@settings(deadline=None)
def test_every_hint_fits_itself_anything_and_object(hint: Any) -> None:
    assert fits(hint, hint)
    assert fits(hint, Any)
    assert fits(Any, hint)
    assert fits(hint, object)


@given(hints, hints)
@settings(deadline=None)
def test_every_hint_fits_a_union_with_itself(hint: Any, other: Any) -> None:
    assert fits(hint, Union[hint, other])  # noqa: UP007


@given(hints, hints, hints)
@settings(deadline=None)
def test_containers_are_covariant(given_hint: Any, wanted: Any, key: Any) -> None:
    fit = fits(given_hint, wanted)
    assert fits(list[given_hint], Iterable[wanted]) == fit
    assert fits(dict[key, given_hint], Mapping[key, wanted]) == fit
    assert fits(tuple[given_hint, ...], Sequence[wanted]) == fit


@given(hints)
@settings(deadline=None)
def test_type_variable_takes_and_gives_back_any_hint(hint: Any) -> None:
    bindings: dict[Any, Any] = {}
    bind_variables(list[T], list[hint], bindings)
    assert fits(substitute(T, bindings), hint)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=2), lambda x: st.lists(x, max_size=3)))
@settings(deadline=None)
def test_value_is_held_by_its_own_type(value: Any) -> None:
    assert holds(value, type(value))
