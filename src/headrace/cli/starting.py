"""`headrace new`: a small project to begin with."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path
from string import Template

from headrace.cli.ending import Refusal
from headrace.cli.output import say

__all__ = ["new"]

FILES = {
    "README.md": "README.md",
    "app.py": "app.py",
    "names.txt": "names.txt",
    "pyproject.toml": "pyproject.toml",
    "tests/test_app.py": "test_app.py",
}


def new(folder: Path, /) -> None:
    """Make a folder with a small project: a pipeline, its tests, and how to run them.

    Args:
        folder: Where it goes, and what it is called.
    """
    name = re.sub(r"[^a-z0-9]+", "-", folder.absolute().name.lower()).strip("-")
    if not name:
        raise Refusal(f"{folder}: is to name a project, got no letters; such as headrace new shop")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refusal(f"{folder}: is there already; name a new folder")
    for path, template in FILES.items():
        text = Template((files("headrace.cli") / "starter" / f"{template}.txt").read_text("utf-8"))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.safe_substitute(name=name), "utf-8")
    there = shlex.quote(str(folder))
    say(f"{folder} has {', '.join(FILES)}\nnext: cd {there} && python -m pytest && headrace run app.py names.txt")
