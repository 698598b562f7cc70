"""`headrace check`: what it finds, and what it leaves alone."""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import DeadlockError, Stream, pipeline, step, zip_streams
from headrace.cli import main
from headrace.cli.rehearsal import locks

START = """\
import asyncio, subprocess, sys, time  # headrace check calls no function: it would not come back
from collections.abc import Iterator
from headrace import Limit, Stream, merge, pipeline, resource, step, stream, zip_streams
@step
def numbers(count: int) -> Iterator[int]: yield sys.exit()
@step
async def fetch(number: int) -> int: return sys.exit()
def is_odd(number: int) -> bool: return sys.exit()
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """Writes app.py, and forgets it after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield lambda text: Path("app.py").write_text(START + textwrap.dedent(text))
    for name in {*sys.modules} - before:
        if name.startswith("app"):
            del sys.modules[name]


def checked(capsys, *arguments):
    """The exit code of `headrace check`, and the findings that it prints, without their bounds."""
    code = main(["check", *(arguments or ["app.py"])])
    out, err = capsys.readouterr()
    assert err == ""
    return code, [line for line in out.splitlines() if " at most " not in line]


CLEAN = {
    "a fan-out that is not joined": """
        @pipeline
        def crawl(count: int) -> tuple[int, list[int]]:
            found = numbers(count).map(fetch)
            return step("total", fn=sum)(found), found.filter(is_odd).collect()
    """,
    "a diamond of steps that keep the number": """
        @pipeline
        def crawl(count: int) -> Stream[tuple[int, int]]:
            found = numbers(count)
            return zip_streams(found.map(fetch), found)
    """,
    "a batch whose branch may hold it": """
        @pipeline
        def crawl(count: int) -> Stream[tuple[int, int]]:
            found = numbers.options(max_in_flight=5)(count)
            return zip_streams(found.batched(5).flat_map(iter), found.map(fetch))
    """,
    "a merge": """
        @pipeline
        def crawl(count: int) -> Stream[int]:
            found = numbers(count).map(fetch)
            return merge(found.filter(is_odd), found)
    """,
    "batches with a time-out": """
        @pipeline
        def crawl(count: int) -> Stream[tuple[tuple[int, ...], int]]:
            found = numbers(count).map(fetch)
            return zip_streams(found.batched(5, timeout=1), found)
    """,
    "a step that blocks in a thread": """
        @step(executor="thread", max_in_flight=4)
        def slow(number: int) -> int:
            time.sleep(1)
            return number
        crawl = numbers | fetch | slow
    """,
    "a step that blocks where nothing is async": """
        @step
        def slow(number: int) -> int:
            time.sleep(1)
            return number
        crawl = numbers | slow
        others = numbers | fetch
    """,
    "a larger bound where it lets a branch hold more": """
        @step(max_in_flight=5)
        def half(number: int) -> float: return number / 2
        @pipeline
        def crawl(count: int) -> Stream[tuple[float, int]]:
            found = numbers(count).map(fetch)
            return zip_streams(found.map(half), found)
    """,
    "a larger bound of a step that only starts work": """
        @step(max_in_flight=5)
        def started(number: int) -> "asyncio.Future[int]": ...
        crawl = numbers | fetch | started
    """,
    "a step that another one calls": """
        @step
        def half(number: int) -> float: return number / 2
        crawl = numbers | fetch | (lambda number: half(half(number)))
    """,
    "a step for other modules": """
        __all__ = ["half"]
        @step
        def half(number: int) -> float: return number / 2
        crawl = numbers | fetch
    """,
    "a module without pipelines": "",
}


@pytest.mark.parametrize("text", CLEAN.values(), ids=CLEAN.keys())
def test_16_5_what_is_right_is_left_alone(text, module, capsys):
    module(text)
    assert checked(capsys) == (0, ["no findings"])


FOUND = {
    "a batch in a branch that may hold one": (
        """
        @pipeline
        def crawl(count: int) -> Stream[tuple[int, int]]:
            found = numbers(count)
            return zip_streams(found.batched(5).flat_map(iter), found.map(fetch))
        """,
        "app.py:13: deadlock: locks up: step 'crawl/batched' (app.py:13) waits for an item from step 'crawl/numbers' "
        "(app.py:4); step 'crawl/numbers' (app.py:4) is held back: its edge to step 'crawl/fetch' (app.py:6) is full "
        "(1 of 1 in flight); max_in_flight=5 on step 'numbers' (app.py:4); or read the branches at the same pace",
    ),
    "a filter in a branch": (
        """
        @pipeline
        def crawl(count: int) -> Stream[tuple[int, int]]:
            found = numbers(count).map(fetch.options(max_in_flight=3))
            return zip_streams(found.filter(is_odd), found, strict=False)
        """,
        "app.py:8: deadlock: locks up when it leaves out 3 in a row: step 'crawl/is_odd' (app.py:8) waits for an item "
        "from step 'crawl/fetch' (app.py:6); step 'crawl/fetch' (app.py:6) is held back: its edge to step 'crawl/zip' "
        "(app.py:13) is full (3 of 3 in flight); zip first, and then use step 'is_odd' (app.py:8); or give step "
        "'crawl/fetch' (app.py:6) a max_in_flight that is larger than any such number",
    ),
    "a flat_map in a branch": (
        """
        @pipeline
        def crawl(count: int) -> Stream[tuple[str, int]]:
            found = numbers(count).map(fetch)
            return zip_streams(found.map(str).flat_map(iter), found.map(fetch), strict=False)
        """,
        "app.py:13: deadlock: locks up when it leaves out 1 in a row or gives 3 for one: step 'crawl/str' "
        "(app.py:13) waits for an item from step 'crawl/fetch' (app.py:6); step 'crawl/fetch' (app.py:6) is held "
        "back: its edge to step 'crawl/fetch#2' (app.py:6) is full (1 of 1 in flight); zip first, and then use step "
        "'iter' (app.py:13); or give step 'crawl/fetch' (app.py:6) a max_in_flight that is larger than any such "
        "number",
    ),
    "a step that blocks": (
        """
        @step
        def slow(number: int) -> int:
            time.sleep(1)
            return number
        crawl = numbers | fetch | slow
        """,
        "app.py:12: blocking: step 'slow' (app.py:10) calls time.sleep, which holds up the async steps of pipeline "
        "'numbers_to_slow'; give it executor='thread', or make it async",
    ),
    "a step that calls a function that blocks": (
        """
        from subprocess import run as run_program
        def called(number: int) -> None: run_program(["true"])
        @step
        def slow(number: int) -> Iterator[int]:
            called(number)
            yield number
        @pipeline
        def crawl(count: int) -> Stream[int]:
            return numbers(count).map(fetch).flat_map(slow)
        """,
        "app.py:11: blocking: step 'slow' (app.py:12) calls run_program, which holds up the async steps of pipeline "
        "'crawl'; make it async",
    ),
    "a method of a parameter's class that blocks": (
        """
        @step
        def slow(number: int, child: subprocess.Popen) -> int: return child.wait()
        @pipeline
        def crawl(count: int) -> Stream[int]:
            return numbers(count).map(fetch).map(slow, step("child", fn=subprocess.Popen)(["true"]))
        """,
        "app.py:11: blocking: step 'slow' (app.py:10) calls child.wait, which holds up the async steps of pipeline "
        "'crawl'; give it executor='thread', or make it async",
    ),
    "a method of what was made in the function": (
        """
        def slow(number: int) -> int:
            with subprocess.Popen(["true"]) as child:
                return child.wait() + number
        crawl = numbers | fetch | slow
        """,
        "app.py:12: blocking: step 'slow' (app.py:10) calls child.wait, which holds up the async steps of pipeline "
        "'numbers_to_slow'; give it executor='thread', or make it async",
    ),
    "a lambda that blocks": (
        """
        crawl = numbers | fetch | (lambda number: time.sleep(number))
        """,
        "app.py:10: blocking: step 'lambda' (app.py:10) calls time.sleep, which holds up the async steps of pipeline "
        "'numbers_to_lambda'; give it executor='thread', or make it async",
    ),
    "a larger bound for calls that do not overlap": (
        """
        @step(max_in_flight=5)
        def half(number: int) -> float: return number / 2
        crawl = numbers | fetch | half
        """,
        "app.py:10: overlap: step 'half' (app.py:10) has max_in_flight=5, but its calls run one by one, and results "
        "only wait; give it executor='thread', make it async, or leave that out",
    ),
    "a step that nothing uses": (
        """
        @step
        def half(number: int) -> float: return number / 2
        crawl = numbers | fetch
        """,
        "app.py:10: unused: step 'half' (app.py:10) is in no pipeline of app.py; use it, or remove it",
    ),
    "a pipeline that cannot be built": (
        """
        @pipeline
        def crawl(count: int) -> int:
            return fetch(numbers(count))
        """,
        "app.py:12: build: step 'fetch' (app.py:6): takes int as 'number', got the stream of 'crawl/numbers', a "
        "stream of int; to call it for each item, use .map(fetch, ...) (called at app.py:12)",
    ),
}


@pytest.mark.parametrize(("text", "line"), FOUND.values(), ids=FOUND.keys())
def test_what_is_wrong_is_found_with_its_line_and_what_helps(text, line, module, capsys):
    module(text)
    assert checked(capsys) == (1, [line, "1 finding"])


def test_what_is_found_in_a_part_of_a_pipeline_is_said_once(module, capsys):
    module(textwrap.dedent(FOUND["a filter in a branch"][0]) + "more = crawl | max\nmost = crawl | min\n")
    code, [line, count] = checked(capsys)
    assert (code, line.split(": ")[1], count) == (1, "deadlock", "1 finding")


def test_what_runs_per_item_is_checked(module, capsys):
    module(
        """
        @pipeline
        def each(count: int) -> list[tuple[int, int]]:
            found = numbers(count)
            return zip_streams(found.filter(is_odd), found, strict=False).collect()
        @pipeline
        def crawl(count: int) -> Stream[list[tuple[int, int]]]:
            return numbers(count).map(fetch).map(each)
        """
    )
    assert checked(capsys, "app.py:crawl")[1][0].startswith(
        "app.py:8: deadlock: locks up when it leaves out 1 in a row"
    )


def test_the_bounds_of_each_pipeline_are_told(module, capsys):
    module(
        """
        @pipeline
        def crawl(count: int) -> list[int]:
            return numbers(count).map(fetch.options(max_in_flight=30)).collect()
        """
    )
    assert main(["check", "app.py"]) == 0
    assert capsys.readouterr().out == (
        "app.py: crawl has 3 steps, at most 31 items in flight, and all items of a stream in collect\nno findings\n"
    )


def test_findings_as_json(module, capsys):
    module(FOUND["a step that nothing uses"][0])
    assert main(["check", "app.py", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {
            "rule": "unused",
            "where": "app.py:10",
            "what": "step 'half' (app.py:10) is in no pipeline of app.py",
            "fix": "use it, or remove it",
        }
    ]


def test_rules_can_be_left_out(module, capsys):
    module(FOUND["a step that nothing uses"][0])
    assert checked(capsys, "app.py", "--ignore", "blocking")[0] == 1
    assert checked(capsys, "app.py", "--ignore", "blocking", "--ignore", "unused") == (0, ["no findings"])


def test_one_pipeline_or_several_files_can_be_checked(module, capsys):
    module(FOUND["a step that nothing uses"][0])
    Path("other.py").write_text(Path("app.py").read_text())
    assert checked(capsys, "app.py:crawl") == (0, ["no findings"])
    assert checked(capsys, "app.py:half") == (0, ["no findings"])
    assert checked(capsys, "app.py", "other.py")[1][-1] == "2 findings"


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
async def later(number: int) -> int:
    return number


@step
def plain(number: int) -> int:
    return number


FORMS = {"plain": plain, "async": later, "in threads": plain.options(executor="thread")}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ahead", [1, 2, 3])
@pytest.mark.parametrize("bound", [1, 2, 3])
def test_16_5_what_is_said_to_lock_up_does_and_nothing_else(form, ahead, bound):
    @pipeline
    def diamond(count: int) -> Stream[tuple[int, int]]:
        found = numbers.options(max_in_flight=bound)(count)
        return zip_streams(found.batched(4).flat_map(iter), found.map(FORMS[form].options(max_in_flight=ahead)))

    if [*locks(diamond.program)]:
        with pytest.raises(DeadlockError):
            diamond.run(20)
    else:
        assert len(diamond.run(20)) == 20


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("", "check: needs a file or a module, got none; such as headrace check app.py"),
        ("no.py", "no.py: no such file; give the path of a Python file, or the name of a module"),
        ("syntax.py", "syntax.py:1: invalid syntax, got 'def f(:'; correct it"),
        ("app.py:crawl_it", "app.py: has no pipeline 'crawl_it'; did you mean crawl?"),
    ],
)
def test_what_cannot_be_checked_is_one_line_and_exit_code_2(arguments, line, module, capsys):
    module("crawl = numbers | fetch")
    Path("syntax.py").write_text("def f(:\n")
    assert main(["check", *arguments.split()]) == 2
    assert capsys.readouterr() == ("", f"headrace: {line}\n")
