"""The resources of a run: entered before any step is called, left after everything that may use them is closed.

A resource that async steps take is entered and left in one task of its own, which waits in between: libraries keep
state in the task that enters.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from headrace.engine.blame import Blame
from headrace.engine.calls import Calls
from headrace.engine.entered import Entered, needs_task, plainly
from headrace.engine.outcome import Failures
from headrace.engine.ports import Answer, Driver
from headrace.graph.dag import Node

__all__ = ["Resources"]


class Resources:
    """What a run has entered."""

    def __init__(self, calls: Calls, driver: Driver, blame: Blame, failures: Failures) -> None:
        self.calls = calls
        self.driver = driver
        self.blame = blame
        self.failures = failures
        self.leaving: list[Callable[[], None]] = []  # how to leave each, in the order in which they were entered

    def enter(self, node: Node) -> Any:
        """What the resource gives, for as long as the run lasts."""
        make = partial(self.calls.made, node)
        if node.executor != "async":
            made = make()
            make = partial(_same, made)
            if not needs_task(made):
                return self._enter_here(node, make)
        return self._enter_in_task(node, make)

    def leave(self) -> None:
        """Leave all of them, the last one first. They hear of the run's failure."""
        while self.leaving:
            try:
                self.leaving.pop()()
            except BaseException as error:
                self.failures.add(error)

    def _enter_here(self, node: Node, make: Callable[[], Any]) -> Any:
        entered = Entered(self.blame.step)
        self.leaving.append(lambda: plainly(entered.leave(self.failures.first)))
        return plainly(entered.enter(node, make))

    def _enter_in_task(self, node: Node, make: Callable[[], Any]) -> Any:
        async def hold(_: object) -> AsyncIterator[Any]:
            entered = Entered(self.blame.step, in_task=True)
            value = await entered.enter(node, make)
            try:
                yield value
            except GeneratorExit:  # the run is over
                pass
            await entered.leave(self.failures.first)

        answer = Answer(self.driver)
        puller = self.driver.puller(
            hold, answer.done, lambda: None, self.failures.add, node.name, in_task=True, lasting=True
        )

        def finish() -> None:
            puller.stop()
            self.driver.read_until(lambda: not puller.live)

        self.leaving.append(finish)  # also if the run ends in the middle of entering
        puller.ask()
        return answer.unwrap()


def _same(made: Any) -> Any:
    return made
