"""Values as bytes: what identifies them, and how they are kept and read back.

Lives here: the identity of a value, by which results are found again, and a codec for the results of one step. Must
not live here: what is kept, and when (checkpoint.py).

Whatever is read back equals what was kept, in value and in type, all the way down: plain data (numbers, text, bytes,
lists, dicts) does so by itself, and for anything else it is tried with the type hint of the step when it is written.
Pickle is used only where a user asked for it, and nothing is unpickled where not.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import pickle
from collections.abc import Callable, Iterable, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec
from msgspec.msgpack import encode

__all__ = ["Codec", "Pickled", "Unencodable", "digest", "identity"]

ATOMS = frozenset({str, int, float, bool, bytes, type(None)})
LEAST, MOST = -(2**63), 2**64 - 1  # of a whole number in MessagePack
CANNOT = (TypeError, ValueError, OverflowError, RecursionError, AttributeError)  # msgspec's reasons, and UnicodeError

PLAIN, HINTED, PICKLED = b"\0", b"\1", b"\2"  # the first byte of what is kept


class Unencodable(Exception):
    """A value cannot be written, or would not come back equal."""


class Pickled(Unencodable):
    """What was kept was pickled, and may not be read."""


def digest(*parts: bytes) -> bytes:
    """A fingerprint in 16 bytes."""
    return blake2b(b"".join(parts), digest_size=16).digest()


def identity(value: Any, *, pickled: bool = False) -> bytes:
    """Bytes that are the same for equal values of the same types, in every process, and differ for any others.

    With `pickled`, what is not known otherwise is identified by its pickle.

    Raises: Unencodable: the value is, or contains, something that is not data.

    >>> identity({1: "a", 2: "b"}) == identity({2: "b", 1: "a"}), identity([1]) == identity((1,))
    (True, False)
    """
    try:
        return encode(value if type(value) in ATOMS else _Tree(pickled=pickled).of(value))
    except OverflowError:  # a large number
        return encode(_Tree(pickled=pickled).of(value))
    except CANNOT as error:
        raise Unencodable(str(error)) from None


class _Tree:
    """Values as nested lists of atoms, with the names of their types. Whole numbers are `floats` if that is asked."""

    def __init__(self, *, pickled: bool = False, floats: bool = False) -> None:
        self.pickled = pickled
        self.floats = floats

    def of(self, value: Any) -> Any:
        """The tree of one value."""
        kind = type(value)
        if kind is int:
            return float(value) if self.floats else value if LEAST <= value <= MOST else ["int", hex(value)]
        if kind in ATOMS:
            return value
        parts = _parts_of(kind)  # type: ignore[arg-type]  # a class can be hashed
        return [kind.__qualname__, *parts(self, value)]


Parts = Callable[[_Tree, Any], Iterable[Any]]


@functools.lru_cache(maxsize=1024)
def _parts_of(kind: type) -> Parts:
    """What gives the parts of a value of that type."""
    if issubclass(kind, enum.Enum):
        return lambda tree, value: [tree.of(value.value)]
    for base, parts in PARTS.items():
        if issubclass(kind, base):
            return parts
    names = _fields(kind)
    return _unknown if names is None else functools.partial(_of_fields, names)


PARTS: dict[Any, Parts] = {
    (list, tuple): lambda tree, value: map(tree.of, value),
    dict: lambda tree, value: sorted(encode([tree.of(key), tree.of(each)]) for key, each in value.items()),
    (set, frozenset): lambda tree, value: sorted(encode(tree.of(each)) for each in value),
    (date, time, timedelta, Decimal, UUID, PurePath): lambda tree, value: [str(value)],  # a datetime is a date
    str: lambda tree, value: [str.__str__(value)],
    int: lambda tree, value: [tree.of(int.__int__(value))],
    float: lambda tree, value: [float.__float__(value)],
    (bytes, bytearray): lambda tree, value: [bytes(value)],
}


def _fields(kind: type) -> tuple[str, ...] | None:
    """The fields of a class that is made of fields."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else tuple(attribute.name for attribute in attributes)


def _of_fields(names: tuple[str, ...], tree: _Tree, value: Any) -> Iterable[Any]:
    others = vars(value).keys() - names if hasattr(value, "__dict__") else ()
    if all(isinstance(getattr(type(value), name, None), functools.cached_property) for name in others):
        return [tree.of(getattr(value, name)) for name in names]
    return _unknown(tree, value)  # there is more to it than its fields


def _unknown(tree: _Tree, value: Any) -> Iterable[Any]:
    if tree.pickled:
        return [_pickle(value)]
    raise TypeError(f"{type(value).__qualname__} is not data")


def _pickle(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:  # whatever the user's own class raises
        raise Unencodable(f"pickle: {error}") from None


class Codec:
    """How the results of one step are written and read back. `pickled` allows pickle for those that need it.

    >>> codec = Codec(list[tuple[int, str]])
    >>> data, value = codec.encode([(1, "a")])
    >>> codec.decode(data)
    [(1, 'a')]
    """

    def __init__(self, hint: Any, *, pickled: bool = False) -> None:
        self.hint = hint
        self.pickled = pickled

    @functools.cached_property
    def _decoder(self) -> msgspec.msgpack.Decoder[Any]:
        try:
            return msgspec.msgpack.Decoder(self.hint, dec_hook=_from_text)
        except TypeError:  # msgspec cannot read such a type
            return msgspec.msgpack.Decoder()

    def encode(self, value: Any) -> tuple[bytes, Any]:
        """The bytes for a result, and the result as it is to be used, which equals what will be read back.

        They differ only where a hint says float and the result has a whole number: it is a float from then on.

        Raises: Unencodable: it would not come back equal.
        """
        try:
            return (PLAIN + encode(value), value) if _is_plain(value) else self._hinted(value)
        except (*CANNOT, msgspec.MsgspecError) as error:
            reason = str(error)
        if self.pickled:
            return PICKLED + _pickle(value), value
        raise Unencodable(reason)

    def decode(self, data: bytes) -> Any:
        """The result that was written.

        Raises: Unencodable: it was pickled, which is not allowed, or is not of the type of the hint.
        """
        kind, rest = data[:1], data[1:]
        try:
            if kind == PLAIN:
                return msgspec.msgpack.decode(rest)
            if kind == HINTED:
                return self._decoder.decode(rest)
        except msgspec.MsgspecError as error:
            raise Unencodable(str(error)) from None
        if not self.pickled:
            raise Pickled("it was pickled, which is not allowed")
        try:
            return pickle.loads(rest)
        except Exception as error:  # whatever the user's own class raises
            raise Unencodable(f"pickle: {error}") from None

    def encode_all(self, parts: Sequence[bytes]) -> bytes:
        """The bytes for the results of one call, each as it was written."""
        return encode(parts)

    def decode_all(self, data: bytes) -> list[Any]:
        """The results of one call. Raises: as `decode`."""
        try:
            parts = msgspec.msgpack.decode(data, type=list[bytes])
        except msgspec.MsgspecError as error:
            raise Unencodable(str(error)) from None
        return [*map(self.decode, parts)]

    def _hinted(self, value: Any) -> tuple[bytes, Any]:
        data = encode(value, enc_hook=_as_text)
        again = self._decoder.decode(data)
        if encode(_Tree().of(again)) == encode(_Tree().of(value)):
            return HINTED + data, value
        floats = _Tree(floats=True)
        if encode(floats.of(again)) != encode(floats.of(value)):
            raise TypeError("it comes back as something else")
        return HINTED + encode(again, enc_hook=_as_text), again


def _is_plain(value: Any) -> bool:
    """Whether it comes back as it is without a hint."""
    kind = type(value)
    if kind in ATOMS:
        return True
    if kind is list:
        return all(map(_is_plain, value)) if not set(map(type, value)) <= ATOMS else True
    return kind is dict and set(map(type, value)) <= ATOMS and _is_plain(list(value.values()))


def _as_text(value: Any) -> str:
    """Paths, which msgspec does not know."""
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__qualname__} is not data")


def _from_text(hint: Any, text: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return hint(text)
    raise TypeError(f"{hint} is not data")
