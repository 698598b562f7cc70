"""What headrace raises.

```
HeadraceError
├── BuildError                   the program is wrong: found before anything runs
│   ├── OptionError              a step option has a bad value          (also a ValueError)
│   ├── WiringError              steps are put together wrongly         (also a TypeError)
│   ├── HintError                a type hint does not fit the other end (also a TypeError)
│   ├── HandleError              a handle is used as if it were data    (also a TypeError)
│   └── DagError                 JSON is not that of a DAG              (also a ValueError)
└── RunError                     the run cannot go on
    ├── ArgumentError            run() or iter() got the wrong arguments (also a TypeError)
    ├── LengthError              zipped streams differ in length         (also a ValueError)
    ├── WorkerError              a worker process died, or could not start
    ├── CheckpointError          a result cannot be kept or read back, or the store cannot be used
    ├── UnpicklableError         something cannot go to or come from a worker process (also a TypeError)
    └── DeadlockError            every stage waits for another
```

An exception that a user's own function raises is never wrapped: it reaches the caller as it is, with a note.
"""

__all__ = [
    "ArgumentError",
    "BuildError",
    "CheckpointError",
    "DagError",
    "DeadlockError",
    "HandleError",
    "HeadraceError",
    "HintError",
    "LengthError",
    "OptionError",
    "RunError",
    "UnpicklableError",
    "WiringError",
    "WorkerError",
]


class HeadraceError(Exception):
    """The base of every exception that headrace itself raises.

    >>> issubclass(BuildError, HeadraceError)
    True
    """


class BuildError(HeadraceError):
    """The program is wrong, and headrace says so before anything runs.

    >>> issubclass(WiringError, BuildError)
    True
    """


class OptionError(BuildError, ValueError):
    """A step option has a value that it cannot have.

    >>> from headrace import step
    >>> try:
    ...     step("fetch", fn=lambda url: url, max_in_flight=0)
    ... except OptionError as error:
    ...     print(error)
    step 'fetch' (...:2): max_in_flight must be a whole number of 1 or more, got 0
    """


class WiringError(BuildError, TypeError):
    """Steps are put together in a way that cannot work: arguments, names, cycles, joins.

    >>> issubclass(WiringError, TypeError)
    True
    """


class HintError(BuildError, TypeError):
    """What one step gives does not fit the type hint of the step that takes it.

    >>> issubclass(HintError, TypeError)
    True
    """


class HandleError(BuildError, TypeError):
    """A pipeline body uses a handle as if it were the data that it stands for.

    >>> issubclass(HandleError, TypeError)
    True
    """


class DagError(BuildError, ValueError):
    """What should be the JSON of a DAG is not, or is of a version that this headrace does not read.

    >>> from headrace import Dag
    >>> try:
    ...     Dag.from_json('{"version": 2, "name": "crawl"}')
    ... except DagError as error:
    ...     print(error)
    DAG 'crawl': must be of schema version 1 for this headrace to read it, got 2; read it with ...
    """


class RunError(HeadraceError):
    """A run cannot start or cannot go on.

    >>> issubclass(DeadlockError, RunError)
    True
    """


class ArgumentError(RunError, TypeError):
    """`run()` or `iter()` was called with arguments that the pipeline does not take.

    >>> issubclass(ArgumentError, TypeError)
    True
    """


class LengthError(RunError, ValueError):
    """Streams that are zipped strictly turned out to have different lengths.

    >>> issubclass(LengthError, ValueError)
    True
    """


class CheckpointError(RunError):
    """A result cannot be kept or read back, or the store of a checkpoint cannot be used.

    >>> from headrace import Checkpoint, SyncRunner, step
    >>> try:
    ...     SyncRunner(checkpoint=Checkpoint("no/such/folder/crawl.db")).execute(step("length", fn=len), "four")
    ... except CheckpointError as error:
    ...     print(error)
    checkpoint 'no/such/folder/crawl.db': there is no such folder to keep results in; make it, or name another
    """


class WorkerError(RunError):
    """A worker process died in the middle of a call, or could not start.

    >>> issubclass(WorkerError, RunError)
    True
    """


class UnpicklableError(RunError, TypeError):
    """A function, an item, a result or an exception cannot go to a worker process, or come back from one.

    >>> issubclass(UnpicklableError, TypeError)
    True
    """


class DeadlockError(RunError):
    """Every stage of the run waits for another one, and nothing else is under way.

    The message says who waits for what, which edges are full, and which larger `max_in_flight` gets past this
    point, where there is one. Or a call waits for a `Limit` whose calls all wait for this one.

    >>> issubclass(DeadlockError, RunError)
    True
    """
