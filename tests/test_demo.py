"""The tables of the two main jobs, on small inputs; the demo itself runs them on the standard library."""

from pathlib import Path

from tools.corpus import FOLDER, load

SMALL = FOLDER / "data" / "library"


def test_index_is_printed_as_tables() -> None:
    script = load(FOLDER / "source_index.py")
    lines = script.tables(script.source_index.run(SMALL, 1)).splitlines()
    assert lines == [
        "longest definitions (lines)",
        "        13  Inventory                      inventory.py:8",
        "",
        "most used imports",
        "         2  json",
        "",
        "kinds of nodes",
        "        38  Name",
        "",
        "8 files, 3 of them not parsed:",
        "  latin.py: SyntaxError",
        "  old.py: SyntaxError",
        "  wrong_coding.py: SyntaxError",
    ]


def test_file_that_cannot_be_read_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    script = load(FOLDER / "source_index.py")
    (tmp_path / "good.py").write_text("import os\n")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    index = script.source_index.run(tmp_path, 1)
    assert index.imports == [("os", 1)]
    assert index.problems == [script.Problem("gone.py", "FileNotFoundError")]


def test_crawl_is_printed_as_a_row() -> None:
    script = load(FOLDER / "crawl_site.py")
    pages = [
        script.Page("/", 200, 0, ("/a.py", "/b.py")),
        script.Page("/a.py", 200, 1200, ()),
        script.Page("/b.py", 404, 0, ()),
    ]
    assert script.summary(30, pages, 0.5) == "       30        3        1          1,200      0.50"
