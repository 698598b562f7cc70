"""How Sphinx makes the site: `nox -s docs`. It asks for nothing on the network, and nor do its pages."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.pycode import ModuleAnalyzer

import headrace.testing

sys.path.insert(0, str(Path(__file__).parent))
import pictures

ROOT = Path(__file__).resolve().parent.parent

project = "headrace"
author = "The headrace authors"
version = release = headrace.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_static"]
html_theme = "furo"
html_theme_options = pictures.COLOURS
html_title = f"headrace {release}"
html_copy_source = html_show_sourcelink = html_show_copyright = html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]

# Pages are Markdown; a link to a heading of a page is made as on any Git host.
myst_heading_anchors = 3
myst_links_external_new_tab = True

# Docstrings are reStructuredText: what stands in `backticks` is code, and a link where it is a public name.
default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"


def written_in_full(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """`Raises: SomeError: why` in one line is a section, too; a page that is named is a link."""
    lines[:] = [re.sub(r"docs/(\w+)\.md", r":doc:`\1`", line) for line in lines]
    for number, line in reversed(list(enumerate(lines))):
        if found := re.fullmatch(r"( *)(Raises): (\w.*)", line):
            end = next((at for at in range(number + 1, len(lines)) if not lines[at].strip()), len(lines))
            reasons = " ".join([found[3], *(each.strip() for each in lines[number + 1 : end])])
            lines[number:end] = [f"{found[1]}Raises:", *(f"{found[1]}    {each}" for each in reasons.split("; "))]


def without_any(app: Any, what: str, name: str, thing: Any, options: Any, signature: str, returns: str) -> Any:
    """A signature that says `Any` says no more without it; one of a class that nobody calls says nothing."""
    if not signature:
        return None
    if what == "class" and "not by hand" in (thing.__doc__ or ""):
        return "", None
    return re.sub(r": ~?(typing\.)?Any\b", "", signature), None if returns in ("Any", "~typing.Any") else returns


def without_overloads(app: Any) -> None:
    """Ten forms of `step` are for type checkers: people read one, and the list of parameters."""
    for module in [name for name in sys.modules if name.startswith("headrace.")]:
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
        analyzer.overloads.clear()


def write_examples(app: Any) -> None:
    """A page for each script of the corpus: its docstring, then its code."""
    folder = ROOT / "docs/examples"
    folder.mkdir(exist_ok=True)
    for script in sorted((ROOT / "corpus").glob("*.py")):
        tree = ast.parse(script.read_text("utf-8"))
        title, _, text = (ast.get_docstring(tree) or "").partition("\n")
        code = f"```{{literalinclude}} ../../corpus/{script.name}\n:lines: {tree.body[1].lineno}-\n```"
        run = f"It is `corpus/{script.name}` in the repository; `python corpus/{script.name}` runs it."
        page = f"# {title.rstrip('.')}\n{text}\n\n{run}\n\n{code}\n"
        (folder / f"{script.stem}.md").write_text(page, encoding="utf-8")


def setup(app: Any) -> None:
    """Tell Sphinx."""
    app.add_directive("graph", pictures.Graph)
    app.add_directive("timeline", pictures.Timeline)
    app.connect("builder-inited", write_examples)
    app.connect("builder-inited", without_overloads)
    app.connect("autodoc-process-docstring", written_in_full, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", without_any)
