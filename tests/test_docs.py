"""What the README and the pages in docs/ show works as it is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import headrace.testing
import pytest_headrace

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted((ROOT / "docs").glob("*.md"))  # those in folders are generated
STRICT = "[pytest]\naddopts = -p pytest_headrace\nfilterwarnings = error\n"


def blocks(page: str) -> list[str]:
    """The Python code that a page shows."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def files(page: str) -> dict[str, str]:
    """Its code by file: `# app.py` in the first line of a block says to which one it belongs."""
    found: dict[str, str] = {}
    for block in blocks(page):
        [name] = re.findall(r"\A# ([\w.]+\.py)\n", block) or ["page.py"]
        found[name] = found.get(name, "") + block
    return found


@pytest.mark.parametrize("page", [page for page in DOCS if blocks(page.read_text("utf-8"))], ids=lambda page: page.stem)
def test_code_of_a_page_runs_and_its_tests_pass(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    (tmp_path / "pytest.ini").write_text(STRICT, encoding="utf-8")
    code = files(page.read_text("utf-8"))
    for name, text in code.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in code:
        if not name.startswith("test_"):
            run(tmp_path, name)
    if any(name.startswith("test_") for name in code):
        run(tmp_path, "-m", "pytest", "--snapshot-update")
        run(tmp_path, "-m", "pytest")


def run(folder: Path, *arguments: str) -> str:
    """What Python prints."""
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_example_of_the_readme_can_be_pasted_and_run(tmp_path: Path) -> None:
    example, _ = blocks(README)
    (tmp_path / "app.py").write_text(example, encoding="utf-8")
    (tmp_path / "other.py").write_text("cat " * 99, encoding="utf-8")
    printed = run(tmp_path, "app.py")
    assert printed.startswith("([('cat', 99)")
    assert printed.endswith(f"], {len(example)})\n")


def test_example_of_wiring_by_name_can_be_pasted_and_run(tmp_path: Path) -> None:
    _, example = blocks(README)
    (tmp_path / "app.py").write_text(example, encoding="utf-8")
    assert run(tmp_path, "app.py") == "… … … … same thing\n"


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda page: page.stem)
def test_every_file_that_is_linked_exists(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_every_page_and_example_is_in_the_navigation() -> None:
    listed = {entry for page in DOCS for entry in entries(page.read_text("utf-8"))}
    pages = {page.stem for page in DOCS} - {"index"}
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
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src/headrace/testing/guarantees").glob("test_*.py")
    )
    assert {f"{a}.{b}" for a, b in re.findall(r"def test_(\d+)_(\d+)_", tests)} == rules
