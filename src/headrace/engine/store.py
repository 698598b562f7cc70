"""Where the results of steps are kept, as the engine sees it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["CheckpointStore"]


class CheckpointStore(Protocol):
    """Where results are kept, for one run at a time. Its methods are called from several threads, one at a time.

    A store of your own goes to a runner as `Checkpoint(store)`. This one forgets everything with the process:

    >>> from headrace import Checkpoint, SyncRunner, step
    >>> class Memory:
    ...     def __init__(self):
    ...         self.kept, self.results = {}, {}
    ...
    ...     def begin(self, pipeline):
    ...         self.kept = {name: dict(results) for name, results in self.results.items()}
    ...
    ...     def count(self, step):
    ...         return len(self.kept.get(step, ()))
    ...
    ...     def get(self, step, key):
    ...         return self.kept.get(step, {}).get(key)
    ...
    ...     def put(self, step, key, value):
    ...         self.results.setdefault(step, {})[key] = value
    ...
    ...     def flush(self):
    ...         pass
    ...
    ...     def end(self, failure):
    ...         pass
    >>> @step(checkpoint=True)
    ... def length(text: str) -> int:
    ...     print("calling")
    ...     return len(text)
    >>> runner = SyncRunner(checkpoint=Checkpoint(Memory()))
    >>> runner.execute(length, "four").result, runner.execute(length, "four").result
    calling
    (4, 4)
    """

    def begin(self, pipeline: str) -> None:
        """A run of the pipeline of that name begins. Raises: CheckpointError: another one is using the store."""
        ...

    def count(self, step: str) -> int:
        """How many results of that step earlier runs kept."""
        ...

    def get(self, step: str, key: bytes) -> bytes | None:
        """What the last of the earlier runs kept that kept something under that key."""
        ...

    def put(self, step: str, key: bytes, value: bytes) -> None:
        """Keep a result, now or with some that come later: how many a crash may lose is the store's to say."""
        ...

    def flush(self) -> None:
        """When this returns, everything is kept that was put."""
        ...

    def end(self, failure: BaseException | None) -> None:
        """The run is over, well or with that failure. When this returns, everything is kept."""
        ...
