"""The thread that keeps the limits of a run in several places.

It is a thread of its own because the caller's may do something else for long, while it holds an item: calls that are
over by then must be over for other runs, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial

from headrace.drivers.sync import Hub
from headrace.engine.kept import Keeping, Told
from headrace.graph.limit import Limit

__all__ = ["Keeper"]


class Keeper:
    """Keeps limits, from the start of its thread until it is closed. `answer` is that of `Keeping`."""

    def __init__(self, limits: Mapping[str, Limit], answer: Callable[[int, int, int, str], None]) -> None:
        self.keys: tuple[str, ...] = tuple(limits)
        self.hub: Hub = Hub()
        self.hub.expect(1)  # what is told
        self.keeping: Keeping = Keeping(limits, self.hub, answer)
        self.over: bool = False
        self.thread: threading.Thread = threading.Thread(target=self._keep, name="headrace limits", daemon=True)

    def told(self, place: int, what: Told) -> None:
        """What a place says. In any thread."""
        self.hub.post(partial(self.keeping.told, place, what))

    def close(self) -> None:
        """The places are gone."""
        if self.thread.is_alive():
            self.hub.post(self._end)
            self.thread.join()

    def _keep(self) -> None:
        self.hub.begin()
        self.hub.run_until(lambda: self.over)
        self.hub.stop()
        self.hub.close()

    def _end(self) -> None:
        self.keeping.close()
        self.over = True
        self.hub.ready.append(self.hub.root)
