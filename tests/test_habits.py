"""What a library of Python does not do: warn, print, or log under somebody else's name."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import headrace

PACKAGE = Path(headrace.__file__).parent
RUN = """
import asyncio
from collections.abc import Iterator
from headrace import SyncRunner, pipeline, step, stream

@step(max_in_flight=3)
async def later(number: int) -> int:
    await asyncio.sleep(0)
    return number

@pipeline
def numbers(count: list[int]) -> list[int]:
    return stream(count).map(later).map(step("same", fn=abs, executor="thread")).collect()

assert numbers.run([1, 2]) == asyncio.run(numbers.arun([1, 2])) == SyncRunner().execute(numbers, [1, 2]).result
"""


IMPORT = """
try:
    import {}
except ModuleNotFoundError as error:  # an extra that is not installed
    if error.name.startswith("headrace"):
        raise
"""


def modules() -> list[str]:
    """All but those that are run: `__main__`, and the tests in the kit of guarantees."""
    names = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], "headrace.")]
    needs_ray = "headrace.drivers.places.ray"  # an extra that the tests do not install
    return [name for name in names if "__main__" not in name and ".guarantees" not in name and name != needs_ray]


def python(*arguments: str) -> str:
    """What Python writes, with every warning as an error, also those that are for developers."""
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_every_module_is_imported_without_a_warning_or_a_word() -> None:
    assert len(modules()) > 80
    assert python("-c", "".join(IMPORT.format(name) for name in modules())) == ""


def test_run_that_goes_well_writes_nothing() -> None:
    assert python("-c", RUN) == ""


def test_every_logger_is_headrace() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    named = re.findall(r"^(?! *>>>).*getLogger\((.*?)\)", code, re.MULTILINE)
    assert set(named) == {'"headrace"'}
