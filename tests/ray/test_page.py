"""What the page about clusters shows works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs/cluster.md"


EXAMPLES = re.findall(r"```python ray\n# (\w+\.py)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
PRINTED = {"app.py": f"{sum(number * number for number in range(1_000))}\n", "traced.py": "[0, 1, 4]\n"}


@pytest.mark.parametrize(("name", "code"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_example_of_the_page_can_be_run(name: str, code: str, ray_home: str, tmp_path: Path) -> None:
    if "opentelemetry" in code:
        pytest.importorskip("opentelemetry.sdk")
    (tmp_path / name).write_text(code, encoding="utf-8")
    folder = Path(ray_home) / name[0]
    folder.mkdir()
    environment = {**os.environ, "RAY_TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, name], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert PRINTED[name] in done.stdout
