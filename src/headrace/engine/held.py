"""Calls that are over and are held back until nothing else can go on, so that a test can say which is over first.

Lives here: what is held back, and when one is let go. Must not live here: which one, and what is wrong with that order;
the test's script says so (headrace.testing.order).

A script comes with a function, as its attribute `headrace_script`. Of the calls of a function that has none, nothing is
held back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from headrace.engine.outcome import Failed, Value
from headrace.graph.dag import Node

__all__ = ["Call", "Held", "Script", "Turns", "script_of"]

Done = Callable[[Value | Failed], None]


class Call:
    """A call of a node's function for one item."""

    __slots__ = ("done", "item", "node", "outcome")

    def __init__(self, node: Node, item: Any, done: Done) -> None:
        self.node: Node = node
        self.item: Any = item
        self.done: Done = done
        self.outcome: Value | Failed | None = None  # what it came to, once it is held back


class Turns(Protocol):
    """A script, during one run."""

    def begins(self, call: Call) -> None:
        """A call begins."""
        ...

    def next(self, held: Sequence[Call]) -> Call | None:
        """Which of the calls that are held back, in the order in which they began, is over now."""
        ...

    def stuck(self, held: Sequence[Call]) -> Exception:
        """What to raise when none is, and nothing else can go on."""
        ...

    def unmet(self) -> Exception | None:
        """What to raise at the end of the run, if it did not go as the script says."""
        ...


class Script(ABC):
    """What says which call is over first."""

    @abstractmethod
    def turns(self) -> Turns:
        """The script, for one run."""


class Held:
    """The scripts of one run, each with the calls that began and are not over."""

    def __init__(self) -> None:
        self.turns: dict[Script, Turns] = {}
        self.calls: dict[Script, list[Call]] = {}

    def begins(self, script: Script, node: Node, item: Any, done: Done) -> Done:
        """A call begins; gives what to call instead of `done` with its outcome."""
        if script not in self.turns:
            self.turns[script], self.calls[script] = script.turns(), []
        call = Call(node, item, done)
        self.turns[script].begins(call)
        self.calls[script].append(call)

        def hold(outcome: Value | Failed) -> None:
            call.outcome = outcome

        return hold

    def let_go(self) -> Callable[[], None] | None:
        """What to do now that nothing else can go on, if a call's turn has come."""
        for script, turns in self.turns.items():
            held = self._held(script)
            call = turns.next(held) if held else None
            if call is not None:
                return lambda: self._end(script, call)
        return None

    def stuck(self) -> Exception | None:
        """What is wrong with a script for which nothing can go on."""
        for script, turns in self.turns.items():
            held = self._held(script)
            if held:
                return turns.stuck(held)
        return None

    def unmet(self) -> Exception | None:
        """What is wrong with a script that the run did not follow, now that it is over."""
        return next((error for error in (turns.unmet() for turns in self.turns.values()) if error), None)

    def _held(self, script: Script) -> list[Call]:
        return [call for call in self.calls[script] if call.outcome is not None]

    def _end(self, script: Script, call: Call) -> None:
        self.calls[script].remove(call)
        assert call.outcome is not None
        call.done(call.outcome)


def script_of(function: Any) -> Script | None:
    """The script that comes with a function, or with what it wraps."""
    while function is not None:
        script = getattr(function, "headrace_script", None)
        if isinstance(script, Script):  # a mock has every attribute
            return script
        function = getattr(function, "__wrapped__", None)
    return None
