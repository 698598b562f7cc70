"""What the README and the pages in docs/ show works as it is shown."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import headrace.testing
import pytest_headrace

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "examples")  # which are generated
STRICT = "[pytest]\naddopts = -p pytest_headrace\nfilterwarnings = error\n"


def title(page: Path) -> str:
    """A page as tables of contents name it."""
    return page.relative_to(ROOT / "docs").with_suffix("").as_posix()


def blocks(page: str) -> list[str]:
    """The Python code that a page shows."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def files(page: str) -> dict[str, str]:
    """Its code by file, as it is at the end of the page."""
    found: dict[str, str] = {}
    for block in blocks(page):
        name, goes_on = file_of(block)
        found[name] = found.get(name, "") * goes_on + block
    return found


def file_of(block: str) -> tuple[str, bool]:
    """The file that a block is, and whether it goes on with what the file has."""
    named = re.match(r"# ([\w.]+\.py)(, in full)?\n", block)
    return (named[1], not named[2]) if named else ("page.py", True)


class Walk:
    """Somebody who reads a page and does all that it shows.

    A block of Python is a file: `# app.py` in its first line says which, and a later block of the same name goes on
    with it, unless it says `# app.py, in full`. A block of `console` has commands after a `$`, and what they print:
    `...` stands for anything, and `^C` interrupts when the line before it has been printed. Decimal numbers are not
    compared, and under `<!-- numbers vary -->` no numbers are. In the end what no command has run is run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands = ""
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(Path(headrace.__file__).parent.parent),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "80",
        }
        (folder / "pytest.ini").write_text(STRICT, encoding="utf-8")

    def through(self, page: str) -> None:
        for vary, kind, text in re.findall(r"(<!-- numbers vary -->\n)?```(python|console)\n(.*?)```", page, re.DOTALL):
            if kind == "python":
                self.write(text)
            else:
                for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                    self.enter(command, shown, MASKS[bool(vary)])
        for path in self.files("*.py"):
            if path.name not in self.commands and not path.name.startswith("test_"):
                self.enter(f"python {path.name}")
        if self.files("test_*.py") and "pytest" not in self.commands:
            self.enter("python -m pytest --snapshot-update")
            self.enter("python -m pytest")

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(pattern))

    def write(self, text: str) -> None:
        name, goes_on = file_of(text)
        with (self.folder / name).open("a" if goes_on else "w", encoding="utf-8") as file:
            file.write(text)

    def enter(self, command: str, shown: str | None = None, varies: str = "") -> None:
        self.commands += f"{command}\n"
        if command.startswith("pip install"):
            return
        before, interrupted, _ = (shown or "").partition("^C\n")
        printed = ""
        with self.started(command) as process:
            assert process.stdout is not None
            for line in process.stdout:
                printed += line
                if interrupted and line == before.splitlines(keepends=True)[-1]:
                    printed += "^C\n"
                    process.send_signal(signal.SIGINT)
        if shown is not None and shown.endswith("^C\n"):
            printed = "".join(printed.partition("^C\n")[:2])
        if shown is None:
            assert process.returncode == 0, printed
        else:
            masked = [re.sub(varies, "0", text) for text in (shown, printed)]
            assert OutputChecker().check_output(*masked, ELLIPSIS), f"$ {command}\n{printed}\nin place of:\n{shown}"

    def started(self, command: str) -> subprocess.Popen[str]:
        command = command if os.name == "nt" else f"exec {command}"  # no shell between the signal and the program
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8"}
        return subprocess.Popen(command, shell=True, cwd=self.folder, env=self.environment, **out)


MASKS = (r" *\d+\.\d+", r" *[\d.:-]*\d")  # with what aligns them


@pytest.mark.parametrize("page", [page for page in DOCS if blocks(page.read_text("utf-8"))], ids=title)
def test_what_a_page_shows_is_so(page: Path, tmp_path: Path) -> None:
    Walk(tmp_path).through(page.read_text("utf-8"))


BEFORE = re.compile(r"```python needs=(\w+)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", [page for page in DOCS if BEFORE.search(page.read_text("utf-8"))], ids=title)
def test_program_before_a_migration_prints_the_same(page: Path, tmp_path: Path) -> None:
    text = page.read_text("utf-8")
    for peer, code in BEFORE.findall(text):
        pytest.importorskip(peer)
        (tmp_path / "before.py").write_text(code, encoding="utf-8")
        assert run(tmp_path, "before.py") in re.findall(
            r"^\$ python after.py\n(.*?)```", text, re.DOTALL | re.MULTILINE
        )


def test_cells_of_the_page_about_notebooks_give_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is run in a loop, and what its last line gives is printed, as a notebook does it."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/how_to/notebooks.md").read_text("utf-8")
    cells = re.findall(r"```python cell\n(.*?)```\n(?:\n```text\n(.*?)```)?", page, re.DOTALL)

    async def notebook() -> None:
        names: dict[str, Any] = {"__name__": "__main__"}
        for number, (cell, shown) in enumerate(cells, 1):
            *first, last = ast.parse(cell).body
            try:
                for tree, mode in ((ast.Module(first, []), "exec"), (ast.Interactive([last]), "single")):
                    result = eval(compile(tree, f"In[{number}]", mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
                    if inspect.isawaitable(result):
                        await result
            except headrace.HeadraceError as error:
                print(f"{type(error).__name__}: {error}")
            printed = capsys.readouterr().out
            masked = [re.sub(MASKS[False], "0", text) for text in (shown, printed)]
            assert OutputChecker().check_output(*masked, ELLIPSIS), f"{cell}\n{printed}\nin place of:\n{shown}"

    assert cells
    asyncio.run(notebook())


def run(folder: Path, *arguments: str) -> str:
    """What Python prints."""
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_example_of_the_readme_can_be_pasted_and_run(tmp_path: Path) -> None:
    [example] = blocks(README)
    (tmp_path / "app.py").write_text(example, encoding="utf-8")
    (tmp_path / "other.py").write_text("cat " * 99, encoding="utf-8")
    printed = run(tmp_path, "app.py")
    assert printed.startswith("([('cat', 99)")
    assert printed.endswith(f"], {len(example)})\n")


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_linked_exists(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_every_page_and_example_is_in_the_navigation() -> None:
    listed = {entry for page in DOCS for entry in entries(page.read_text("utf-8"))}
    pages = {title(page) for page in DOCS} - {"index"}
    scripts = {f"examples/{script.stem}" for script in (ROOT / "corpus").glob("*.py")}
    assert listed == pages | scripts  # a page is a line in docs/index.md, a script one in docs/examples.md


def entries(page: str) -> list[str]:
    """What its tables of contents list."""
    tables = re.findall(r"```{toctree}\n(.*?)```", page, re.DOTALL)
    return [line for table in tables for line in table.splitlines() if line and line[0] != ":"]


@pytest.mark.parametrize("module", [headrace, headrace.testing, pytest_headrace], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module: ModuleType) -> None:
    pages = "".join(page.read_text("utf-8") for page in DOCS)
    described = re.findall(r"^\.\. (?:auto|py:)\w+:: (?:\w+\.)?(\w+)$", pages, re.MULTILINE)
    assert [name for name in module.__all__ if name not in described] == []


def test_every_guarantee_has_a_test() -> None:
    rules = set(
        re.findall(r"^\| (\d+\.\d+) \|", (ROOT / "docs/guarantees.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    files = [*(ROOT / "src/headrace/testing/guarantees").glob("test_*.py"), *(ROOT / "tests").glob("test_c*.py")]
    tests = "".join(path.read_text(encoding="utf-8") for path in files)
    assert {f"{a}.{b}" for a, b in re.findall(r"def test_(\d+)_(\d+)_", tests)} == rules
