"""Streaming pipelines inside one Python program, with an exact bound on every hand-off."""

from headrace.dsl.checkpoint import Checkpoint
from headrace.dsl.flow import AsyncItems, Items
from headrace.dsl.include import include
from headrace.dsl.pipeline import Pipeline, pipeline
from headrace.dsl.ray_runner import RayRunner
from headrace.dsl.resource import resource
from headrace.dsl.runner import AsyncRunner, Run, SyncRunner
from headrace.dsl.step import Step, step
from headrace.dsl.stream import Stream, merge, stream, zip_streams
from headrace.engine.events import (
    Blocked,
    CallEnded,
    CallStarted,
    DeadlockFound,
    Event,
    ItemFailed,
    ItemRetried,
    Observer,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    Unblocked,
)
from headrace.engine.failure import Failure
from headrace.engine.snapshot import Live, NodeSnapshot, Snapshot
from headrace.engine.store import CheckpointStore
from headrace.errors import (
    ArgumentError,
    BuildError,
    CheckpointError,
    DagError,
    DeadlockError,
    HandleError,
    HeadraceError,
    HintError,
    LengthError,
    OptionError,
    RunError,
    UnpicklableError,
    WiringError,
    WorkerError,
)
from headrace.graph.dag import Constant, Dag, Edge, Node, NodeLimit, NodeRetry, Program, Stage
from headrace.graph.limit import Limit
from headrace.graph.retry import Retry

__version__ = "0.1.0"  # of the package, too: pyproject.toml reads it here

__all__ = [
    "ArgumentError",
    "AsyncItems",
    "AsyncRunner",
    "Blocked",
    "BuildError",
    "CallEnded",
    "CallStarted",
    "Checkpoint",
    "CheckpointError",
    "CheckpointStore",
    "Constant",
    "Dag",
    "DagError",
    "DeadlockError",
    "DeadlockFound",
    "Edge",
    "Event",
    "Failure",
    "HandleError",
    "HeadraceError",
    "HintError",
    "ItemFailed",
    "ItemRetried",
    "Items",
    "LengthError",
    "Limit",
    "Live",
    "Node",
    "NodeLimit",
    "NodeRetry",
    "NodeSnapshot",
    "Observer",
    "OptionError",
    "Pipeline",
    "Program",
    "RayRunner",
    "Retry",
    "Run",
    "RunEnded",
    "RunError",
    "RunStarted",
    "Snapshot",
    "Stage",
    "Step",
    "StepEnded",
    "StepStarted",
    "Stream",
    "SyncRunner",
    "Unblocked",
    "UnpicklableError",
    "WiringError",
    "WorkerError",
    "include",
    "merge",
    "pipeline",
    "resource",
    "step",
    "stream",
    "zip_streams",
]
