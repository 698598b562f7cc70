"""A recorded pipeline that is not compiled yet: what the language hands to the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from headrace.graph.dag import Delivery, Kind, Program, what
from headrace.graph.options import Options

__all__ = ["Draft", "Given", "Recording", "Returns"]

Returns = Literal["nothing", "value", "tuple", "stream"]


class Given(msgspec.Struct, frozen=True):
    """What one parameter was given: what the node `source` gives, or a constant.

    `hint` is the type of what arrives (of one item, if it arrives as a stream); `wanted` is the parameter's
    own.
    """

    parameter: str
    delivery: Delivery = "value"
    source: str | None = None
    constant: Any = None
    keyword: bool = False
    hint: Any = Any
    wanted: Any = Any


class Draft(msgspec.Struct, frozen=True):
    """One node as it was recorded. `where` is its function's place, `called` the line that recorded it.

    In place of a function it may have an `inner` program, which is run per item.
    """

    id: str
    name: str
    kind: Kind
    gives: Literal["value", "stream"]
    result: Any = Any
    function: Callable[..., Any] | None = None
    where: str = "built-in"
    called: str = ""
    inputs: tuple[Given, ...] = ()
    options: Options = Options()
    inner: Program | None = None

    def __str__(self) -> str:
        return f"{what(self.kind)} '{self.name}' ({self.called if self.where == 'built-in' else self.where})"


class Recording(msgspec.Struct, frozen=True):
    """Everything that one pipeline body recorded, and what it returned."""

    name: str
    drafts: tuple[Draft, ...]
    outputs: tuple[str, ...]
    returns: Returns
