"""What the README shows works as it is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_example_can_be_pasted_and_run(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "app.py").write_text(example, encoding="utf-8")
    (tmp_path / "other.py").write_text("cat " * 99, encoding="utf-8")
    done = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("([('cat', 99)")
    assert done.stdout.endswith(f"], {len(example)})\n")


def test_every_file_that_is_linked_exists() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_guarantee_has_a_test() -> None:
    rules = set(
        re.findall(r"^\| (\d\.\d+) \|", (ROOT / "docs/guarantees.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src/headrace/testing/guarantees").glob("test_*.py")
    )
    assert {f"{a}.{b}" for a, b in re.findall(r"def test_(\d)_(\d+)_", tests)} == rules
