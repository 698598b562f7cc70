"""The public names: what `headrace` exports is a promise, and each name explains itself with an example."""

import inspect
from importlib.metadata import version

import pytest

import headrace

PUBLIC = [
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


def test_the_public_names_are_these() -> None:
    assert headrace.__all__ == PUBLIC


def test_nothing_public_is_left_out_of_all() -> None:
    exported = {name for name, value in vars(headrace).items() if not name.startswith("_")}
    modules = {name for name in exported if inspect.ismodule(getattr(headrace, name))}
    assert exported - modules == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_has_a_docstring_with_an_example(name: str) -> None:
    public = getattr(headrace, name)
    if name == "Event":  # a union of classes, each with its own
        return
    assert public.__doc__, name
    assert ">>> " in public.__doc__, name


@pytest.mark.parametrize("name", [name for name in PUBLIC if isinstance(getattr(headrace, name), type)])
def test_public_method_has_a_docstring(name: str) -> None:
    members = vars(getattr(headrace, name)).items()
    methods = [key for key, value in members if inspect.isroutine(value) and not key.startswith("_")]
    assert [key for key in methods if not getattr(getattr(headrace, name), key).__doc__] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_says_that_it_comes_from_headrace(name: str) -> None:
    assert getattr(getattr(headrace, name), "__module__", "headrace").split(".")[0] in ("headrace", "types")


def test_version_is_that_of_the_package() -> None:
    assert headrace.__version__ == version("headrace")
