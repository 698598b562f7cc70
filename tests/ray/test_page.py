"""What the page about clusters shows works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs/cluster.md"


def test_example_of_the_page_can_be_run(ray_home: str, tmp_path: Path) -> None:
    [code] = re.findall(r"```python ray\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "app.py").write_text(code, encoding="utf-8")
    folder = Path(ray_home) / "p"
    folder.mkdir()
    environment = {**os.environ, "RAY_TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{sum(number * number for number in range(1_000))}\n")
