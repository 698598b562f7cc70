"""The command line: `headrace list`, `show`, `check` and `run`, and `runs` and `resume` for checkpoints.

Lives here: what can be typed, and what is printed. The results of a run go to standard output as JSON lines, and
everything else to standard error. Needs the `cli` extra, which is imported only when there is a command to carry out.
"""

from headrace.cli.command import main

__all__ = ["main"]
