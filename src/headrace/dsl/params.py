"""Classes with named fields: what `params=` takes, and what an adapter of a sub-pipeline may give.

Lives here: what the fields of a NamedTuple, dataclass, TypedDict or msgspec Struct are, how it is made of them, and how
it is taken apart again.
"""

from __future__ import annotations

import dataclasses
import inspect
import operator
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from headrace.errors import WiringError
from headrace.graph.callee import Callee, read
from headrace.graph.hints import describe
from headrace.graph.values import shown

__all__ = ["Fresh", "fields_of", "getter", "has_fields", "read_params", "signature_of"]


class Fresh:
    """Stands for a default that is made anew for every run."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __repr__(self) -> str:
        return f"{getattr(self.make, '__name__', 'made')}()"


def has_fields(kind: Any) -> bool:
    """Whether it is a class with named fields.

    >>> has_fields(typing.NamedTuple("Size", [("width", int)])), has_fields(dict)
    (True, False)
    """
    if typing.is_typeddict(kind) or dataclasses.is_dataclass(kind):
        return isinstance(kind, type)
    return isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or _is_named_tuple(kind))


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def read_params(kind: Any, where: str) -> Callee:
    """What makes the parameters of a pipeline of their fields.

    Raises: WiringError: it is no class with named fields, or has one that `run` could not take.
    """
    if not has_fields(kind):
        raise WiringError(
            f"{where}: params must be a NamedTuple, dataclass, TypedDict or msgspec Struct, got {shown(kind)}; "
            "make a class with a field for each parameter"
        )
    made = read(kind)
    fields = _field_names(kind)
    for name, parameter in made.parameters.items():
        if name not in fields:
            raise WiringError(
                f"{where}: params must keep what they are made of, got {describe(kind)}, which takes '{name}' and "
                "has no field of that name; make it a field"
            )
        if typing.is_typeddict(kind) and not parameter.required:
            raise WiringError(
                f"{where}: params must have all their fields, got {describe(kind)}, in which '{name}' is not "
                "required; make it required, or use a dataclass, where it can have a default"
            )
    return made


def _field_names(kind: Any) -> set[str]:
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind)}
    if issubclass(kind, msgspec.Struct):
        return set(kind.__struct_fields__)
    return set(kind.__annotations__ if typing.is_typeddict(kind) else kind._fields)


def signature_of(kind: Any, made: Callee) -> inspect.Signature:
    """The parameters of a pipeline with these params: their defaults are those of the fields."""
    fresh = _factories(kind)
    return inspect.Signature(
        [
            each.replace(default=fresh.get(name, each.default), annotation=made.parameters[name].hint)
            for name, each in (made.signature or inspect.Signature()).parameters.items()
        ]
    )


def _factories(kind: Any) -> dict[str, Fresh]:
    if dataclasses.is_dataclass(kind):
        fields = [(field.name, field.default_factory) for field in dataclasses.fields(kind)]
        return {name: Fresh(make) for name, make in fields if make is not dataclasses.MISSING}
    if issubclass(kind, msgspec.Struct):
        structs = msgspec.structs.fields(kind)
        return {field.name: Fresh(field.default_factory) for field in structs if callable(field.default_factory)}
    return {}


def fields_of(data: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an instance, by name."""
    return {name: getter(type(data), name)(data) for name in names}


def getter(kind: Any, name: str) -> Callable[[Any], Any]:
    """What takes that field out of an instance."""
    return operator.itemgetter(name) if issubclass(kind, dict) else operator.attrgetter(name)
