"""A program whose steps are in a module that actors can import only if it is sent to them."""

import sys
import tempfile
from pathlib import Path

from headrace import RayRunner, UnpicklableError

MODULE = """
from collections.abc import Iterator
from headrace import step

@step(max_in_flight=2)
def numbers(count: int) -> Iterator[int]:
    yield from range(count)

@step
def double(number: int) -> int:
    return 2 * number
"""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "hidden_steps"
        package.mkdir()
        (package / "__init__.py").write_text(MODULE)
        sent = {"py_modules": [str(package)]} if sys.argv[1] == "sent" else None
        with RayRunner("local", runtime_env=sent) as runner:
            runner._connected().connect()
            sys.path.insert(0, folder)  # from here on it is found here, and not by the actors
            import hidden_steps  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

            try:
                print(runner.execute(hidden_steps.numbers | hidden_steps.double, 3).result)
            except UnpicklableError as error:
                print(error)
