"""One run in a process of its own: `python -m benchmarks.child LIBRARY CASE CONTENDER ITEMS` prints seconds and bytes.

In place of a library may stand a module of cases. Nothing else is imported, so the memory is that of this contender.
"""

from __future__ import annotations

import gc
import json
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter

from benchmarks.case import Case, Contender
from benchmarks.comparison import LIBRARIES, case_of, ways
from benchmarks.tasks import TASKS

__all__: list[str] = []

ENOUGH = 2  # seconds, after which nothing is repeated


def found(where: str, case_name: str, contender_name: str) -> tuple[Case, Contender]:
    if where in LIBRARIES:
        task = next(task for task in TASKS if task.name == case_name)
        contenders = ways(where, task)
        assert not isinstance(contenders, str)
        case = case_of(task, None, contenders)
    else:
        case = next(case for case in import_module(f"benchmarks.{where}").CASES if case.name == case_name)
    return case, next(contender for contender in case.all if contender.name == contender_name)


def measure(case: Case, contender: Contender, items: int) -> tuple[float, int | None]:
    """The fastest run of a few, in seconds, and the most memory that this process had, in bytes, where that is known.

    Raises: AssertionError: the result is wrong.
    """
    if contender.before is None:  # what is loaded and compiled at first use is measured in cases of its own
        assert not isinstance(contender.run, str)
        contender.run(max(items // 100, 1))
    else:
        contender.before()
    found: list[float] = []
    while len(found) < case.repeats and sum(found) < ENOUGH:
        found.append(seconds_of(case, contender, items))
    return min(found), peak_memory()


def seconds_of(case: Case, contender: Contender, items: int) -> float:
    run = contender.run
    assert not isinstance(run, str)
    gc.collect()
    begin = perf_counter()
    result = run(items)
    seconds = perf_counter() - begin
    assert case.right(items, sorted(result) if contender.any_order else result), f"{case.name}: wrong result"
    return seconds


def peak_memory() -> int | None:
    if sys.platform == "linux":  # where getrusage counts what the parent had when it started this process
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    if sys.platform != "win32":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return None


if __name__ == "__main__":
    where, case_name, contender_name, items = sys.argv[1:]
    print(json.dumps(measure(*found(where, case_name, contender_name), int(items))))
