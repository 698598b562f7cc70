"""`Checkpoint`: where a runner keeps the results of steps, so that a run can be resumed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.dsl.handle import called_at
from headrace.engine.log import log
from headrace.errors import OptionError
from headrace.graph.dag import Dag, Node, Program
from headrace.graph.options import Options
from headrace.graph.values import shown

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints
    from headrace.engine.store import CheckpointStore

__all__ = ["Checkpoint", "as_checkpoint", "opened", "with_code"]

METHODS = ("begin", "count", "get", "put", "flush", "end")


class Checkpoint:
    """Where the results of steps with `checkpoint=True` are kept: `SyncRunner(checkpoint=Checkpoint("crawl.db"))`.

    What an earlier run has kept there is read back, and not called again. docs/checkpoints.md says what that promises.

    Args:
        store: The path of a file, which is made if there is none, or a store of your own: a `CheckpointStore`.
        pickle: True: items, arguments and results that msgspec cannot write are pickled. Who can write to the file can
            then have any code run by whoever reads it; without it nothing is ever unpickled.

    Raises: OptionError: it is neither a path nor a store.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from headrace import Checkpoint, SyncRunner, step
    >>> @step
    ... def numbers(count: int):
    ...     yield from range(count)
    >>> @step(checkpoint=True)
    ... def square(number: int) -> int:
    ...     print("squaring", number)
    ...     return number * number
    >>> with TemporaryDirectory() as folder:
    ...     runner = SyncRunner(checkpoint=Checkpoint(Path(folder) / "squares.db"))
    ...     first = runner.execute(numbers | square, 2)
    ...     runner.execute(numbers | square, 3).result
    squaring 0
    squaring 1
    squaring 2
    [0, 1, 4]
    """

    def __init__(self, store: str | os.PathLike[str] | CheckpointStore, /, *, pickle: bool = False) -> None:
        is_store = all(callable(getattr(store, method, None)) for method in METHODS)
        if not is_store and not isinstance(store, (str, os.PathLike)):
            raise OptionError(
                f"Checkpoint ({called_at()}): needs the path of a file, or a store with the methods "
                f"{', '.join(METHODS)}, got {shown(store)}"
            )
        self.store = store
        self.pickle = pickle

    def __repr__(self) -> str:
        store = self.store
        return f"<checkpoint '{os.fspath(store) if isinstance(store, (str, os.PathLike)) else shown(store)}'>"

    def _store(self) -> CheckpointStore:
        if isinstance(self.store, (str, os.PathLike)):
            from headrace.stores import SqliteStore

            return SqliteStore(self.store)
        return self.store


def with_code(options: Options, function: Callable[..., Any]) -> Options:
    """The options of a step of that function: what it is now decides which kept results are its own."""
    if not options.checkpoint:
        return options
    from headrace.engine.version import code_of

    return msgspec.structs.replace(options, code=code_of(function))


def as_checkpoint(given: Any) -> Checkpoint | None:
    """What a runner was given as `checkpoint`."""
    return given if given is None or isinstance(given, Checkpoint) else Checkpoint(given)


@contextmanager
def opened(checkpoint: Checkpoint | None, program: Program) -> Iterator[Checkpoints | None]:
    """For one run: what its steps keep. With the end of it everything is kept, also of a run that fails."""
    if checkpoint is None:
        yield None
        return
    from headrace.engine.checkpoint import Checkpoints

    _check_keeps(checkpoint, program.dag)
    store = checkpoint._store()
    store.begin(program.dag.name)
    checkpoints = Checkpoints(store, pickled=checkpoint.pickle)
    try:
        yield checkpoints
    except BaseException as error:
        try:
            checkpoints.end(error)
        except Exception as second:
            error.add_note(f"headrace: then {type(second).__name__}: {second}")
        raise
    checkpoints.end(None)


def _check_keeps(checkpoint: Checkpoint, dag: Dag) -> None:
    if not any(node.checkpoint for node in _all_nodes(dag)):
        name = dag.name
        log().warning(
            "headrace: pipeline '%s' has no step with checkpoint=True: nothing is kept in %r", name, checkpoint
        )


def _all_nodes(dag: Dag) -> Iterator[Node]:
    for node in dag.nodes:
        yield node
        if node.inner is not None:
            yield from _all_nodes(node.inner)
