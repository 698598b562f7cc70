"""The command line, once as a process of its own and else in this one."""

import io
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headrace import Dag, SyncRunner, step
from headrace.cli import main
from headrace.cli.running import _others

WORDS = '''
from __future__ import annotations

import asyncio
import dataclasses
import enum
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

from headrace import Stream, pipeline, step, stream


class Colour(enum.Enum):
    RED = 1
    DARK_BLUE = 2


class Client:
    """No text can be made one of these."""


@step
def numbers(count: int = 3, *, start: int = 0) -> Iterator[int]:
    """Whole numbers in order.

    Args:
        count: How many of them.
    """
    yield from range(start, start + count)


@step
def shout(text: str, times: int = 1) -> str:
    return text.upper() * times


@step
def odd(number: int) -> int:
    if number == 2:
        raise LookupError("two is even")
    return number


@step
def tail(words: Iterator[str]) -> Iterator[str]:
    next(words)
    yield from words


@step
def all_kinds(
    ratio: float, path: Path, names: list[str], size: Literal["s", "l"], colour: Colour, loud: bool = False
) -> list[object]:
    return [ratio, path.name, names, size, colour, loud]


@step
def call(client: Client) -> str:
    return "called"


@step
def nothing() -> None: ...


@step
def mixed() -> Iterator[object]:
    yield from ["text", {"a": [1, None]}, None, 2.5, ValueError("an item")]


@step
async def count_down(start: int) -> AsyncIterator[int]:
    """Whole numbers down to 1."""
    for number in range(start, 0, -1):
        yield number


@step
async def waited(number: int) -> int:
    await asyncio.sleep(0)
    return number


@step
async def halved(number: int) -> float:
    return 10 / (number - 2)


@step
async def last(words: AsyncIterator[str]) -> str:
    word = ""
    async for word in words:
        pass
    return word


@pipeline
def lengths(words: Stream[str]) -> Stream[int]:
    """The length of each word."""
    return stream(words).map(len)


@step
def anything(data):
    return data


@dataclasses.dataclass
class Point:
    x: int
    y: int


@step
def located(point: Point) -> int:
    return point.x + point.y


@step
def runs_with(runner: str, set: int) -> list[object]:
    return [runner, set]


@step
def looping() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@step
def loops() -> Iterator[bool]:
    yield looping()


squares = numbers | (lambda number: number * number)
odds = numbers | odd
waits = numbers | waited | str
halves = count_down | halved
plain = 3
'''


TALKS = """
import os
from headrace import pipeline, step

print("loading")

@step
def numbers():
    yield from range(3)

@step
def square(number: int) -> int:
    print("squaring", number)
    return number * number

@step
def loud_square(number: int) -> int:
    os.system(f"echo squaring {number}")
    return number * number

@pipeline
def squares():
    print("building")
    return numbers().map(square)

in_processes = numbers | square.options(executor="process", max_in_flight=3)
outside = numbers | loud_square
"""


@pytest.fixture(autouse=True)
def words(tmp_path, monkeypatch):
    """A file `words.py` in the current directory; what a test loads from there is forgotten after it."""
    (tmp_path / "words.py").write_text(WORDS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in (getattr(module, "__file__", None) or ""):
            del sys.modules[name]


def headrace(*arguments, **options):
    command = [sys.executable, "-m", "headrace", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


# -- what is printed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("words.py:numbers", "0\n1\n2\n"),
        ("words.py:numbers --count 2 --start=5", "5\n6\n"),
        ("words.py:numbers 1 --start -4", "-4\n"),
        ("words:numbers 1", "0\n"),
        ("./words.py:squares --count 4", "0\n1\n4\n9\n"),
        ("words.py:shout no --times 2", '"NONO"\n'),
        ("words.py:lengths to be not", "2\n2\n3\n"),
        ("words.py:lengths --words to --words not", "2\n3\n"),
        ("words.py lengthy", "7\n"),
        ("words.py:tail one two three", '"two"\n"three"\n'),
        ("words.py:nothing", ""),
        ("words.py:waits --count 2", '"0"\n"1"\n'),
        ("words.py:count_down 2", "2\n1\n"),
        ("words.py:waited 2", "2\n"),
        ("words.py:last one two", '"two"\n'),
        ("words.py:mixed", '"text"\n{"a":[1,null]}\nnull\n2.5\n"ValueError: an item"\n'),
        (
            "words.py:all_kinds 1 a/b.txt --names x --names y --size l --colour dark-blue --loud",
            '[1.0,"b.txt",["x","y"],"l",2,true]\n',
        ),
    ],
)
def test_flags_come_from_the_signature_and_results_are_lines_of_json(command, printed, capsys):
    if command.startswith("words.py "):
        Path("words.py").write_text(WORDS.split("squares =")[0])  # leaves one pipeline
    assert main(["run", *command.split()]) == 0
    assert capsys.readouterr() == (printed, "")


@pytest.mark.parametrize("runner", ["sync", "async"])
def test_progress_and_a_page_are_beside_the_results(runner, capsys):
    flags = ["--progress", "--report", "run.html", "--runner", runner]
    assert main(["run", "words.py:numbers", "--count", "2", *flags]) == 0
    out, err = capsys.readouterr()
    assert out == "0\n1\n"
    assert err.startswith("headrace: numbers: done after 0:00: numbers 2 (")
    assert "<h1>numbers " in Path("run.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_one_line_and_exit_code_2(capsys):
    assert main(["run", "words.py:numbers", "--report", "no/run.html"]) == 2
    assert capsys.readouterr().err == (
        "headrace: words.py:numbers: report must be a file in a folder that exists, got 'no/run.html'; "
        "make the folder, or name another\n"
    )


def test_a_file_of_the_name_of_a_loaded_module_does_not_replace_it(capsys):
    Path("json.py").write_text(WORDS)
    assert main(["run", "json.py:shout", "a"]) == 0
    assert sys.modules["json"] is json


def test_show_prints_the_graph(capsys):
    assert main(["show", "words.py:lengths"]) == 0
    assert capsys.readouterr().out == (
        "lengths(words: Stream[str]) -> Stream[Any]\n"
        "├─ stream  iterate  words   Stream[str]  1 in flight\n"
        "└─ len     map      stream  Stream[Any]  1 in flight\n"
    )
    assert main(["show", "words.py:lengths", "--format", "mermaid"]) == 0
    assert capsys.readouterr().out.startswith("flowchart TD\n")
    assert main(["show", "words.py:lengths", "--format", "svg"]) == 0
    assert capsys.readouterr().out.startswith("<svg")
    assert main(["show", "--format=json", "words.py:lengths"]) == 0
    assert Dag.from_json(capsys.readouterr().out).name == "lengths"


def test_help_shows_the_docstring_and_the_parameters_of_the_pipeline(capsys):
    assert main(["run", "words.py:numbers", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Usage: headrace run words.py:numbers" in shown
    assert "Whole numbers in order." in shown
    assert "How many of them." in shown
    assert "--start" in shown
    assert main(["run", "words.py:squares", "--help"]) == 0  # made by |: no docstring of its own
    assert "made by" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "shown"),
    [("--help", "show"), ("", "run"), ("list --help", "MODULE"), ("run --help", "TARGET"), ("show --help", "mermaid")],
)
def test_help_of_the_commands(command, shown, capsys):
    assert main(command.split()) == 0
    assert shown in capsys.readouterr().out


def test_help_tells_the_types_and_fits_in_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["run", "words.py:all_kinds", "--help"]) == 0
    shown = capsys.readouterr().out
    for line in ("--ratio          [type: float] [required]", "--names          [type: list[str]] [required]"):
        assert line in shown
    assert "[choices: red, dark-blue] [required]" in shown
    assert max(map(len, shown.splitlines())) <= 80


WIRED = '''
from dataclasses import dataclass, field
from headrace import pipeline, step

@dataclass
class Params:
    """What to look for.

    Args:
        text: Where the words come from.
    """
    text: str
    names: list[str] = field(default_factory=lambda: ["to"])

@dataclass
class Bare:
    text: str

@step
def found(text: str, names: list[str]) -> list[str]:
    return [word for word in text.split() if word in names]

@step
def shouted(text: str) -> str:
    return text.upper()

find = pipeline("find", steps=[found], params=Params)
shout = pipeline("shout", steps=[shouted], params=Bare)
'''


def test_help_of_steps_that_are_wired_by_name_is_that_of_their_params(capsys):
    Path("wired.py").write_text(WIRED)
    assert main(["run", "wired.py:find", "to be"]) == 0
    assert capsys.readouterr().out == '["to"]\n'
    assert main(["run", "wired.py:find", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "What to look for." in shown
    assert "Where the words come from. [type: str] [required]" in shown
    assert "lambda" not in shown
    assert main(["run", "wired.py:shout", "--help"]) == 0
    assert "Bare(" not in capsys.readouterr().out


def test_list_names_what_can_be_run(capsys):
    assert main(["list", "words.py"]) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "pipeline  lengths(words: Stream[str]) -> Stream[Any]",
        "          The length of each word.",
        "pipeline  squares(count: int = 3, start: int = 0) -> Stream[Any]",
        "pipeline  odds(count: int = 3, start: int = 0) -> Stream[int]",
    ]
    assert main(["list", "words", "--format", "json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert listed["numbers"] == {
        "name": "numbers",
        "kind": "step",
        "parameters": {"count": "int = 3", "start": "int = 0"},
        "gives": "Stream[int]",
        "about": "Whole numbers in order.",
        "where": "words.py:23",
    }


def test_list_names_steps_that_only_a_pipeline_can_run(capsys):
    Path("any.py").write_text("from headrace import step\n@step\ndef joined(*texts: str) -> str: ...\n")
    assert main(["list", "any.py"]) == 0
    assert capsys.readouterr().out == "step      joined(*texts: str) -> str\n"
    assert main(["check", "any.py"]) == 0


# -- parameters from a file ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("params.json", '{"ratio": 1, "path": "a/b.txt", "names": ["x"], "size": "l", "colour": "dark-blue"}'),
        ("params.toml", 'ratio = 1.0\npath = "a/b.txt"\nnames = ["x"]\nsize = "l"\ncolour = "dark-blue"\n'),
        ("-", '{"ratio": "1", "path": "a/b.txt", "names": ["x"], "size": "l", "colour": "dark-blue"}'),
        ("-", 'ratio = 1\npath = "a/b.txt"\nnames = "x"\nsize = "l"\ncolour = "dark-blue"\n'),
    ],
)
def test_parameters_come_from_a_file_and_flags_go_before_them(file, text, capsys, monkeypatch):
    if file == "-":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    else:
        Path(file).write_text(text)
    assert main(["run", "words.py:all_kinds", "--params-file", file, "--size", "s", "--loud"]) == 0
    assert capsys.readouterr() == ('[1.0,"b.txt",["x"],"s",2,true]\n', "")


@pytest.mark.parametrize(
    ("target", "data", "flags", "printed"),
    [
        ("words.py:tail", {"words": ["one", "two"]}, "", '"two"\n'),
        ("words.py:last", {"words": ["one", "two"]}, "", '"two"\n'),
        ("words.py:shout", {"text": "no"}, "yes", '"YES"\n'),
        ("words.py:shout", {"text": "no"}, "--times 2", '"NONO"\n'),
        ("words.py:shout", {"times": 2}, "no", '"NONO"\n'),
        ("words.py:anything", {"data": {"a": [1, None]}}, "", '{"a":[1,null]}\n'),
        ("words.py:anything", {"data": 3}, "", "3\n"),
        ("words.py:anything", {}, "3", '"3"\n'),
        ("words.py:located", {"point": {"x": 1, "y": 2}}, "", "3\n"),
    ],
)
def test_what_is_in_the_file_is_of_the_type_that_the_parameter_asks_for(target, data, flags, printed, capsys):
    Path("params.json").write_text(json.dumps(data))
    command = ["run", target, *flags.split(), "--params-file=params.json"]
    assert main(command) == 0
    assert capsys.readouterr() == (printed, "")


def test_help_shows_what_is_in_the_file(capsys):
    Path("params.toml").write_text("count = 7")
    assert main(["run", "words.py:numbers", "--params-file", "params.toml", "--help"]) == 0
    assert "[default: 7]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("no.json", None, "no.json: cannot be read: No such file or directory; give a JSON or TOML file, or -"),
        (
            "params.json",
            "{",
            "params.json: must be JSON, got other data: Input data was truncated; mend it",
        ),
        ("params.json", "[1]", "params.json: must hold parameters by name, got [1]; write it as an object"),
        (
            "params.toml",
            "cuont = 3",
            "params.toml: step 'numbers' (words.py:23) has no parameter 'cuont'; did you mean count?",
        ),
        (
            "params.toml",
            "x = 3",
            "params.toml: step 'numbers' (words.py:23) has no parameter 'x'; it takes count, start",
        ),
        (
            "params.json",
            '{"count": "many"}',
            "params.json: count must be int, got 'many'; see headrace run words.py:numbers --help",
        ),
        (
            "params.json",
            '{"count": [1]}',
            "params.json: count must be int, got [1]; see headrace run words.py:numbers --help",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_one_line_and_exit_code_2(file, text, line, capsys):
    if text is not None:
        Path(file).write_text(text)
    assert main(["run", "words.py:numbers", "--params-file", file]) == 2
    assert capsys.readouterr() == ("", f"headrace: {line}\n")


# -- other options for a run ---------------------------------------------------------------------------------


def test_16_4_set_changes_options_of_steps_in_this_run(capsys):
    command = ["run", "words.py:odds", "--set", "odd.on_error=skip", "--set=odd.max_failures=5"]
    assert main(command) == 0
    assert capsys.readouterr().out == "0\n1\n"
    assert main(["run", "words.py:odds"]) == 1


def test_set_changes_a_step_that_is_run_by_itself(capsys):
    assert main(["run", "words.py:numbers", "--set", "numbers.max_in_flight=5"]) == 0
    assert capsys.readouterr() == ("0\n1\n2\n", "")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("odd", "--set: must be STEP.OPTION=VALUE, such as fetch.max_in_flight=50, got 'odd'; write it so"),
        (
            "odd.max_in_fligt=2",
            "--set odd.max_in_fligt=2: 'max_in_fligt' is no option that can be set so; did you mean max_in_flight?",
        ),
        (
            "odd.limit=2",
            "--set odd.limit=2: 'limit' is no option that can be set so; the options are max_in_flight, concurrency, "
            "ordered, executor, idempotent, timeout, on_error, max_failures, checkpoint, version, unkeyed",
        ),
        (
            "od.timeout=2",
            "pipeline 'numbers_to_odd' (words.py:140): has no step 'od' whose options can be set; did you mean odd?",
        ),
        (
            "x.timeout=2",
            "pipeline 'numbers_to_odd' (words.py:140): has no step 'x' whose options can be set; its steps "
            "are numbers, odd",
        ),
        ("odd.max_in_flight=0", "step 'odd' (words.py:38): max_in_flight must be a whole number of 1 or more, got 0"),
        ("odd.max_in_flight=x", "step 'odd' (words.py:38): max_in_flight must be a whole number of 1 or more, got 'x'"),
        (
            "odd.ordered=false",
            "step 'odd' (words.py:38): ordered=False needs calls that overlap, got "
            "executor='inline'; add executor='thread', or make it async",
        ),
    ],
)
def test_16_4_what_cannot_be_set_is_one_line_and_exit_code_2(given, line, capsys):
    assert main(["run", "words.py:odds", "--set", given]) == 2
    assert capsys.readouterr() == ("", f"headrace: {line}\n")


def test_the_runner_can_be_chosen(capsys):
    assert main(["run", "words.py:loops"]) == 0
    assert main(["run", "words.py:loops", "--runner", "async"]) == 0
    assert main(["run", "words.py:looping", "--runner", "async"]) == 0
    assert capsys.readouterr().out == "false\ntrue\ntrue\n"
    assert main(["run", "words.py:odds", "--runner", "async"]) == 1
    assert capsys.readouterr().out == "0\n1\n"


def test_a_run_on_ray_that_is_not_installed_is_one_line_and_exit_code_2(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["run", "words.py:numbers", "--runner", "ray"]) == 2
    line = "headrace: --runner ray: needs 'ray', which is not installed; pip install 'headrace[ray]'\n"
    assert capsys.readouterr() == ("", line)


def test_how_it_is_run_can_stand_before_the_pipeline_too(capsys):
    assert main(["run", "--runner", "async", "--raw", "--set", "shout.max_in_flight=2", "words.py:shout", "no"]) == 0
    assert main(["run", "--runner=async", "words.py:numbers", "--count", "1", "--start=-4"]) == 0
    assert capsys.readouterr() == ("NO\n-4\n", "")


def test_raw_text_is_printed_as_it_is(capsys):
    assert main(["run", "words.py:mixed", "--raw"]) == 0
    assert capsys.readouterr().out == 'text\n{"a":[1,null]}\nnull\n2.5\n"ValueError: an item"\n'


def test_flags_of_a_pipeline_go_before_those_that_every_pipeline_has(capsys):
    assert main(["run", "words.py:runs_with", "--runner", "me", "--set", "3"]) == 0
    assert capsys.readouterr().out == '["me",3]\n'


def test_16_1_what_steps_and_modules_print_does_not_come_between_the_results(capsys):
    Path("talks.py").write_text(TALKS)
    assert main(["run", "talks.py:squares", "--set", "square.max_in_flight=2"]) == 0
    out, err = capsys.readouterr()
    assert out == "0\n1\n4\n"
    assert err == "loading\nbuilding\nbuilding\nsquaring 0\nsquaring 1\nsquaring 2\n"
    for command, first in (("list", "pipeline  "), ("show", "squares()"), ("check", "talks.py: ")):
        assert main([command, "talks.py:squares" if command == "show" else "talks.py"]) == 0
        assert capsys.readouterr().out.startswith(first)


# -- what is refused -----------------------------------------------------------------------------------------

ALL = (
    "there are lengths, squares, odds, waits, halves, "
    "numbers, shout, odd, tail, all_kinds, call, nothing, mixed, count_down, waited, halved, last, "
    "anything, located, runs_with, looping, loops"
)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("run no.py:x", "no.py: no such file; give the path of a Python file, or the name of a module"),
        ("run a/b:x", "a/b: no such file; give the path of a Python file, or the name of a module"),
        (
            "run no.such:x",
            "'no.such': no such module; give the path of a Python file, or the name of a module",
        ),
        ("run .words:x", "'.words': no such module; give the path of a Python file, or the name of a module"),
        ("run :x", "'': no such module; give the path of a Python file, or the name of a module"),
        (
            "run words.x:x",
            "'words.x': no such module; give the path of a Python file, or the name of a module",
        ),
        ("run words.py:nmbers", "words.py: has no pipeline 'nmbers'; did you mean numbers?"),
        ("run words.py:pages", f"words.py: has no pipeline 'pages'; {ALL}"),
        ("show words:nmbers", "words: has no pipeline 'nmbers'; did you mean numbers?"),
        ("run words.py:plain", f"words.py: 'plain' must be a pipeline or a step, got a int; {ALL}"),
        ("run words.py", f"words.py: has 5 pipelines, got no name of one; {ALL}"),
        ("run words.py:", f"words.py: has 5 pipelines, got no name of one; {ALL}"),
        (
            "run empty.py",
            "empty.py: has no pipelines, got no name of one; decorate a function with @pipeline",
        ),
        (
            "run words.py:numbers --count x",
            'words.py:numbers: invalid value for --count: unable to convert "x" into int; '
            "see headrace run words.py:numbers --help",
        ),
        (
            "run words.py:numbers --cuont 3",
            "words.py:numbers: unknown option: --cuont. Did you mean --count?; "
            "see headrace run words.py:numbers --help",
        ),
        (
            "run words.py:numbers --count",
            "words.py:numbers: parameter --count requires an argument; see headrace run words.py:numbers --help",
        ),
        (
            "run words.py:shout",
            "words.py:shout: parameter --text requires an argument; see headrace run words.py:shout --help",
        ),
        (
            "run words.py:numbers 1 2",
            "words.py:numbers: unused Tokens: ['2']; see headrace run words.py:numbers --help",
        ),
        (
            "run words.py:all_kinds 1 a b --size m",
            'words.py:all_kinds: invalid value "m" for --size. Choose from: "s", "l"; '
            "see headrace run words.py:all_kinds --help",
        ),
        (
            "run words.py:call x",
            "words.py:call: --client: Client() takes no arguments; see headrace run words.py:call --help",
        ),
        (
            "show words.py:numbers --format dot",
            'command line: invalid value "dot" for --format. Choose from: "json", "mermaid", "svg", "text"; '
            "see headrace --help",
        ),
        ("run", 'command line: command "run" parameter TARGET requires an argument; see headrace --help'),
        (
            "nmbers",
            'command line: unknown command "nmbers". Available commands: list, show, check, run, runs, resume, '
            "new, completion; see headrace --help",
        ),
        ("run syntax.py", "syntax.py:2: invalid syntax, got 'def f(:'; correct it"),
        ("run syntax:x", "syntax.py:2: invalid syntax, got 'def f(:'; correct it"),
        ("run null.py", "null.py: source code string cannot contain null bytes, got ''; correct it"),
        ("run imports.py", "imports.py:2: No module named 'no_such'; install it, or correct the name"),
        ("run imports:x", "imports.py:2: No module named 'no_such'; install it, or correct the name"),
        (
            "run wrong.py",
            "step 'length' (wrong.py:2): takes str as 'word', got list[str] from step 'words' (wrong.py:4); "
            "give it str, or change the hint (called at wrong.py:8)",
        ),
    ],
)
def test_16_2_what_is_wrong_is_one_line_and_exit_code_2(command, line, capsys):
    Path("empty.py").touch()
    Path("syntax.py").write_text("\ndef f(:\n    pass\n")
    Path("null.py").write_bytes(b"\0")
    Path("imports.py").write_text("\nimport no_such\n")
    Path("wrong.py").write_text(
        "from headrace import pipeline, step\n"
        "@step\ndef length(word: str) -> int: ...\n"
        "@step\ndef words() -> list[str]: ...\n"
        "@pipeline\ndef lengths():\n    return length(words())\n"
    )
    assert main(command.split()) == 2
    assert capsys.readouterr() == ("", f"headrace: {line}\n")


def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    assert main(["run", "words.py:numbers"]) == 2
    assert capsys.readouterr().err == (
        "headrace: command line: needs 'cyclopts', which is not installed; pip install 'headrace[cli]'\n"
    )


# -- failures ------------------------------------------------------------------------------------------------


def test_16_2_a_failure_is_the_users_traceback_and_exit_code_1(capsys):
    assert main(["run", "words.py:odds"]) == 1
    out, err = capsys.readouterr()
    assert out == "0\n1\n"
    assert err.startswith("Traceback (most recent call last):\n")
    assert 'raise LookupError("two is even")' in err
    assert "LookupError: two is even\nheadrace: step 'odd' (words.py:" in err
    assert "headrace/cli" not in err


def test_a_failure_of_an_async_step_is_the_users_traceback_and_exit_code_1(capsys):
    assert main(["run", "words.py:halves", "3"]) == 1
    out, err = capsys.readouterr()
    assert out == "10.0\n"
    assert err.startswith("Traceback (most recent call last):\n")
    assert "return 10 / (number - 2)" in err
    assert "ZeroDivisionError: division by zero\nheadrace: step 'halved' (words.py:" in err
    assert "headrace/cli" not in err


def test_a_failure_while_the_file_is_loaded_is_shown_whole(capsys):
    Path("fails.py").write_text("def half(number):\n    return number / 0\nhalf(1)\n")
    assert main(["run", "fails.py:x"]) == 1
    path = Path("fails.py").absolute()
    assert [line for line in capsys.readouterr().err.splitlines() if "^" not in line] == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 3, in <module>',
        "    half(1)",
        f'  File "{path}", line 2, in half',
        "    return number / 0",
        "ZeroDivisionError: division by zero",
    ]


def test_the_exit_of_the_users_code_is_the_exit(capsys):
    Path("exits.py").write_text("raise SystemExit(7)\n")
    with pytest.raises(SystemExit, match="7"):
        main(["run", "exits.py:x"])


# -- checkpoints ---------------------------------------------------------------------------------------------

SQUARES = """
from pathlib import Path
from headrace import pipeline, step

@step
def numbers(count: int = 3):
    yield from range(count)

@step(checkpoint=True)
def square(number: int) -> int:
    with open("log", "a") as log:
        log.write(f"{number} ")
    if number == 2 and not Path("mended").exists():
        raise LookupError("two")
    return number * number

squares = numbers | square

@step
def mine(checkpoint: int) -> int:
    return checkpoint

@pipeline
def total(count: int) -> int:
    return step("sum", fn=lambda numbers: sum(numbers))(squares(count).collect())
"""


@pytest.fixture
def log():
    Path("squares.py").write_text(SQUARES)
    return Path("log")


def test_a_run_that_failed_is_resumed_with_its_flags_from_any_folder(log, capsys, monkeypatch, tmp_path):
    assert main(["run", "squares.py:squares", "--count", "4", "--checkpoint", "kept.db"]) == 1
    assert capsys.readouterr().out == "0\n1\n"
    Path("mended").touch()
    store = Path("kept.db").absolute()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert main(["resume", str(store)]) == 0
    assert Path.cwd() == tmp_path / "elsewhere"
    out, err = capsys.readouterr()
    assert out == "0\n1\n4\n9\n"
    assert err == "headrace: resuming squares.py:squares --count 4 --checkpoint kept.db\n"
    assert (tmp_path / "log").read_text() == "0 1 2 2 3 "
    assert main(["resume", "../kept.db"]) == 0
    assert capsys.readouterr().out == "0\n1\n4\n9\n"
    assert (tmp_path / "log").read_text() == "0 1 2 2 3 "


def test_more_flags_can_be_given_when_a_run_is_resumed(log, capsys):
    Path("mended").touch()
    assert main(["run", "squares.py:squares", "2", "--checkpoint", "kept.db", "--progress"]) == 0
    assert "headrace: numbers_to_square: done after" in capsys.readouterr().err
    assert main(["resume", "kept.db", "--no-progress", "--report", "run.html"]) == 0
    out, err = capsys.readouterr()
    assert out == "0\n1\n"
    assert err.splitlines()[1:] == []
    assert Path("run.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    given = ["x", "--count", "2", "--report", "a.html", "--progress", "--raw", "--report=b.html", "y"]
    assert list(_others(given, ["--report", "c.html", "--no-progress"])) == ["x", "--count", "2", "--raw", "y"]


def test_a_store_that_was_moved_is_resumed_where_it_is(log, capsys):
    Path("mended").touch()
    assert main(["run", "squares.py:total", "4", "--checkpoint=kept.db"]) == 0
    Path("kept.db").rename("moved.db")
    assert main(["resume", "moved.db"]) == 0
    assert capsys.readouterr().out == "14\n14\n"
    assert log.read_text() == "0 1 2 3 "
    assert not Path("kept.db").exists()


def test_runs_lists_what_is_in_a_store(log, capsys):
    main(["run", "squares.py:squares", "--checkpoint", "kept.db"])
    Path("mended").touch()
    main(["run", "squares.py:squares", "--checkpoint", "kept.db"])
    capsys.readouterr()
    assert main(["runs", "kept.db"]) == 0
    shown = re.sub(r"\(20.*?\)", "(then)", re.sub(r"after \d+\.\d", "after 0.1", capsys.readouterr().out))
    assert shown == (
        "run 1 of 'numbers_to_square' (then) failed after 0.1 s: LookupError: two\n"
        "  numbers_to_square/square: 2 done, 0 read back\n"
        "run 2 of 'numbers_to_square' (then) finished after 0.1 s\n"
        "  numbers_to_square/square: 3 done, 2 read back\n"
    )
    assert main(["runs", "kept.db", "--format", "json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["state"] == "failed"
    assert first["command"]["flags"] == ["--checkpoint", "kept.db"]
    assert second["steps"] == [{"step": "numbers_to_square/square", "kept": 1, "read": 2}]


def test_a_parameter_of_that_name_is_the_pipelines_own(log, capsys):
    assert main(["run", "squares.py:mine", "--checkpoint", "3"]) == 0
    assert capsys.readouterr().out == "3\n"
    assert not Path("3").exists()


def test_help_of_a_pipeline_tells_about_the_checkpoint(log, capsys):
    assert main(["run", "squares.py:squares", "--help"]) == 0
    assert "--checkpoint" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("runs no.db", "checkpoint 'no.db': there is no such file; name the one that the runner was given"),
        ("resume no.db", "checkpoint 'no.db': there is no such file; name the one that the runner was given"),
        (
            "runs squares.py",
            "checkpoint 'squares.py': cannot be used, SQLite says: file is not a database; mend that, or name another "
            "file",
        ),
        (
            "run squares.py:squares --checkpoint no/kept.db",
            "checkpoint 'no/kept.db': there is no such folder to keep results in; make it, or name another",
        ),
        (
            "resume kept.db",
            "kept.db: has no run that headrace run has started, so nobody knows how; run the program again that made "
            "it, and it goes on",
        ),
    ],
)
def test_what_is_wrong_with_a_store_is_one_line_and_exit_code_2(command, line, log, capsys):
    SyncRunner(checkpoint="kept.db").execute(step("length", fn=len, checkpoint=True), "four")
    assert main(command.split()) == 2
    assert capsys.readouterr() == ("", f"headrace: {line}\n")


def test_a_folder_that_is_gone_is_said(log, capsys, monkeypatch, tmp_path):
    Path("gone").mkdir()
    monkeypatch.chdir("gone")
    main(["run", "../squares.py:squares", "1", "--checkpoint", "../kept.db"])
    monkeypatch.chdir(tmp_path)
    shutil.rmtree("gone")
    capsys.readouterr()
    assert main(["resume", "kept.db"]) == 2
    assert capsys.readouterr().err == (
        f"headrace: kept.db: its run was started in {tmp_path / 'gone'}, which is gone; use headrace run\n"
    )


# -- a new project, and completion ---------------------------------------------------------------------------


def test_a_new_project_passes_its_own_tests(capsys):
    assert main(["new", "My Shop"]) == 0
    assert capsys.readouterr().out == (
        "My Shop has README.md, app.py, names.txt, pyproject.toml, tests/test_app.py\n"
        "next: cd 'My Shop' && python -m pytest && headrace run app.py names.txt\n"
    )
    assert 'name = "my-shop"' in Path("My Shop/pyproject.toml").read_text()
    assert Path("My Shop/README.md").read_text().startswith("# my-shop\n")
    tests = [sys.executable, "-m", "pytest", "-q", "-W", "error"]
    done = subprocess.run(tests, cwd="My Shop", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_a_new_project_runs_and_has_no_findings(capsys, monkeypatch):
    assert main(["new", "shop"]) == 0
    monkeypatch.chdir("shop")
    capsys.readouterr()
    assert main(["run", "app.py", "names.txt"]) == 0
    assert capsys.readouterr().out == '"Hello, Ada!"\n"Hello, Grace!"\n"Hello, Katherine!"\n'
    assert json.loads(Path("dead_letters.jsonl").read_text())["item"] == "4711"
    assert main(["check", "app.py"]) == 0


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("words.py", "words.py: is there already; name a new folder"),
        ("full", "full: is there already; name a new folder"),
        ("...", "...: is to name a project, got no letters; such as headrace new shop"),
    ],
)
def test_a_new_project_overwrites_nothing(folder, line, capsys):
    Path("full").mkdir()
    Path("full/app.py").touch()
    assert main(["new", folder]) == 2
    assert capsys.readouterr() == ("", f"headrace: {line}\n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("ch", "check"),
        ("show --format ''", "json mermaid svg text"),
        ("show wo", "words.py"),
        ("run wo", "words.py"),
        ("run words.py --r", "--runner --raw --report"),
    ],
)
def test_a_shell_completes_commands_flags_and_files(typed, completed, capsys):
    assert main(["completion", "bash"]) == 0
    Path("completion").write_text(capsys.readouterr().out)
    script = f"""
        source completion; complete -p headrace > /dev/null
        COMP_WORDS=(headrace {typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _headrace; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{completed}\n", "")


@pytest.mark.parametrize("shell", ["fish", "powershell", "zsh"])
def test_there_is_completion_for_other_shells(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "headrace" in capsys.readouterr().out


# -- as a process --------------------------------------------------------------------------------------------

ENDLESS = """
from headrace import step

@step
def endless():
    try:
        number = 0
        while True:
            yield number
            number += 1
    finally:
        open("closed", "x").close()

@step
def slow():
    import time
    try:
        yield "begun"
        time.sleep(60)
    finally:
        open("closed", "x").close()

@step
async def slow_async():
    import asyncio
    try:
        yield "begun"
        await asyncio.sleep(60)
    finally:
        open("closed", "x").close()
"""


def test_16_2_the_process_exits_with_the_code():
    with headrace("run", "words.py:numbers", "--count", "2") as process:
        assert process.communicate() == ("0\n1\n", "")
    assert process.returncode == 0
    with headrace("run", "words.py:numbers", "--count", "two") as process:
        assert process.communicate()[1].count("\n") == 1
    assert process.returncode == 2
    with headrace("--version") as process:
        assert process.communicate()[0].startswith("headrace ")
    assert process.returncode == 0


@pytest.mark.parametrize("pipeline", ["in_processes", "outside"])
def test_16_1_what_other_processes_print_does_not_come_between_the_results(pipeline):
    Path("talks.py").write_text(TALKS)
    with headrace("run", f"talks.py:{pipeline}") as process:
        out, err = process.communicate()
    assert out == "0\n1\n4\n"
    assert {*re.findall(r"squaring \d", err)} == {"squaring 0", "squaring 1", "squaring 2"}


def test_16_1_items_are_printed_as_they_come_until_the_reader_has_enough():
    Path("endless.py").write_text(ENDLESS)
    with headrace("run", "endless.py:endless") as process:
        assert process.stdout.readline() == "0\n"  # the stream never ends: it was not collected
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert Path("closed").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals to one process")
@pytest.mark.parametrize(
    ("sent", "code", "pipeline", "runner"),
    [
        ("SIGINT", 130, "slow", "sync"),
        ("SIGINT", 130, "slow_async", "sync"),
        ("SIGINT", 130, "slow_async", "async"),
        ("SIGTERM", 143, "slow", "async"),
        ("SIGTERM", 143, "slow_async", "sync"),
        ("SIGTERM", 143, "slow_async", "async"),
    ],
)
def test_16_3_a_signal_closes_the_run_and_is_the_exit_code(sent, code, pipeline, runner):
    Path("endless.py").write_text(ENDLESS)
    with headrace("run", f"endless.py:{pipeline}", "--runner", runner) as process:
        assert process.stdout.readline() == '"begun"\n'
        process.send_signal(getattr(signal, sent))
        out, err = process.communicate()
    assert out == ""
    assert [line.split()[:3] for line in err.splitlines()] == [
        ["headrace:", "interrupted;", "so"],
        ["step", "in", "out"],
        [f"{pipeline}/{pipeline}", "0", "1"],
    ]
    assert process.returncode == code
    assert Path("closed").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_16_3_ctrl_c_on_a_terminal_ends_the_run():
    Path("endless.py").write_text(ENDLESS)
    command = [sys.executable, "-m", "headrace", "run", "endless.py:slow"]
    code = f"import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn({command})))"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as terminal:
        assert terminal.stdout.readline() == b'"begun"\r\n'
        terminal.stdin.write(b"\x03")
        terminal.stdin.flush()
        shown = terminal.stdout.read().decode()
    assert terminal.returncode == 130
    assert "headrace: interrupted; so far:" in shown
    assert Path("closed").exists()


def test_the_library_does_not_import_the_command_line():
    code = "import headrace, sys; print({'cyclopts', 'rich', 'headrace.cli'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
