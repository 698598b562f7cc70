"""Wiring by name: what a name means, how a hint takes data, and that it is the same as a body written by hand."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing
from collections import deque
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableSequence,
    Reversible,
    Sequence,
    Set,
)
from typing import Any, NamedTuple, TypedDict, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import (
    ArgumentError,
    DeadlockError,
    LengthError,
    Pipeline,
    Stream,
    SyncRunner,
    WiringError,
    include,
    pipeline,
    step,
    stream,
    zip_streams,
)
from headrace.dsl.delivery import is_collection, way_of_stream, way_of_value
from headrace.dsl.nouns import Nouns
from headrace.testing import run_everywhere

T = TypeVar("T")


class Count(NamedTuple):
    count: int


class Words(NamedTuple):
    words: list[str]


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
async def letters(count: int) -> AsyncIterator[str]:
    for letter in "abcdefgh"[:count]:
        yield letter


@step
def double(number: int) -> int:
    return number * 2


def result(made: Pipeline[..., Any], *arguments: Any) -> Any:
    """What every runner gives."""
    return run_everywhere(made, *arguments).result


# -- names ---------------------------------------------------------------------------------------------------

ONE_AND_MANY = """
address addresses, analysis analyses, batch batches, bonus bonuses, box boxes, branch branches, bus buses, cache
caches, category categories, child children, city cities, class classes, corpus corpora, criterion criteria, datum
data, day days, die dice, entry entries, foot feet, formula formulae, formula formulas, goose geese, hero heroes,
index indexes, index indices, invoice invoices, item items, key keys, knife knives, leaf leaves, lens lenses, life
lives, man men, match matches, matrix matrices, medium media, mouse mice, movie movies, node nodes, octopus
octopuses, ox oxen, page pages, person people, phenomenon phenomena, photo photos, potato potatoes, price prices,
process processes, query queries, quiz quizzes, radius radii, response responses, schema schemas, schema schemata,
status statuses, tax taxes, thesis theses, tooth teeth, vertex vertices, virus viruses, wish wishes, wolf wolves,
woman women, raw_person raw_people, fetched_security fetched_securities, old_data_entry old_data_entries
"""
ONE_AND_ANOTHER = """
page pager, plan planes, not notes, cod codes, start stats, file filter, rat rates, car cares, process proces,
link linked, pas pass, step_1 step_10, stage_a stage_b, s1 s2, old_page new_page, pages_of page,
item_page items_page
"""


@pytest.mark.parametrize("pair", ONE_AND_MANY.replace("\n", " ").strip().split(", "))
def test_singular_and_plural_are_one_noun(pair: str) -> None:
    one, many = pair.split()
    for name, other in ((one, many), (many, one), (one, f"{many}_list"), (f"{one}_set", many), (many, f"{one}_dict")):
        assert Nouns([other]).like(name) == [other]
        assert Nouns([name, "else", other]).clash() == (name, other)


@pytest.mark.parametrize("pair", ONE_AND_ANOTHER.replace("\n", " ").strip().split(", "))
def test_names_that_only_look_alike_are_two(pair: str) -> None:
    one, other = pair.split()
    assert Nouns([one]).like(other) == []
    assert Nouns([one, other]).clash() is None


@pytest.mark.parametrize("name", ["item", "items", "items_list", "item_set", "items_dict", "item_tuple"])
def test_every_form_of_a_noun_means_the_same_data_set(name: str) -> None:
    @step(name="items")
    def source() -> Iterator[int]:
        yield from (1, 2)

    namespace: dict[str, Any] = {}
    exec(f"def total({name}: list[int]) -> int: return sum({name})", namespace)
    assert pipeline("sums", steps=[source, namespace["total"]]).run() == 3


def test_name_as_it_is_written_comes_before_other_forms() -> None:
    class Sizes(NamedTuple):
        size: int
        other_size: int

    def kept(size: int, other_size: int) -> tuple[int, int]:
        return size, other_size

    assert pipeline("sizes", steps=[kept], params=Sizes).run(1, 2) == (1, 2)


def test_step_that_is_named_comes_before_the_params_as_a_whole() -> None:
    class Size(NamedTuple):
        width: int

    def larger(width: int) -> Size:
        return Size(width + 1)

    def shown(larger: Size, size: Size) -> tuple[Size, Size]:
        return larger, size

    assert pipeline("sizes", steps=[larger, shown], params=Size).run(1) == (Size(2), Size(1))


def test_name_that_is_but_an_ending_is_a_name() -> None:
    assert Nouns(["_list", "_set"]).clash() is None


def test_parameter_without_a_data_set_keeps_its_default() -> None:
    def shout(word: str, times: int = 2, *more: str, mark: str = "!", **others: str) -> str:
        return word * times + mark + "".join([*more, *others])

    assert pipeline("shouts", steps=[shout], params=Words).run(["a", "b"]) == ["aa!", "bb!"]


def test_parameter_with_a_default_is_bound_where_its_data_set_is_there() -> None:
    class Shouts(NamedTuple):
        words: list[str]
        mark: str

    def shout(word: str, times: int = 2, mark: str = "!") -> str:
        return word * times + mark

    assert pipeline("shouts", steps=[shout], params=Shouts).run(["a", "b"], "?") == ["aa?", "bb?"]


def test_steps_may_be_listed_in_any_order() -> None:
    @step
    def total(doubles: list[int]) -> int:
        return sum(doubles)

    listed = [total, double, numbers]
    for steps in (listed, listed[::-1], [double, total, numbers]):
        assert pipeline("totals", steps=steps, params=Count).run(4) == 12


def test_steps_are_recorded_in_the_order_of_the_list_where_nothing_else_decides() -> None:
    def a(count: int) -> int:
        return count

    def b(c: int) -> int:
        return c

    def c(count: int) -> int:
        return count

    made = pipeline("order", steps=[b, a, c], params=Count)
    assert [node.id for node in made.dag.nodes] == ["order(count)", "order/a", "order/c", "order/b"]


def test_nothing_is_loaded_to_find_out_what_names_mean() -> None:
    program = """
import sys
from headrace import pipeline
before = set(sys.modules)
def people(): yield "Ada"
def name(person): return person
def exact(name): return name
assert pipeline("names", steps=[people, name, exact]).run() == ["Ada"]
new = {module for module in set(sys.modules) - before if not module.startswith("headrace.")}
print(sorted(module for module in new if "infl" in module or "plural" in module or "beartype" in module))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# -- how a hint takes data -----------------------------------------------------------------------------------

ITEM, STREAM, VALUE = "item", "stream", "value"


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("hint", "item", "way"),
    [
        (int, int, ITEM),
        (float, int, ITEM),
        (int | None, int, ITEM),
        (str, int, None),
        (Any, int, ITEM),
        (object, int, ITEM),
        (T, int, ITEM),
        (int, Any, ITEM),
        (Iterator[int], int, STREAM),
        (Iterable[float], int, STREAM),
        (AsyncIterator[int], int, STREAM),
        (Iterator[int] | None, int, STREAM),
        (Iterator[str], int, None),
        (Iterator[T], int, STREAM),
        (Stream[int], int, STREAM),
        (list[int], int, list),
        (list[T], int, list),
        (list[int], Any, list),
        (list, int, list),
        (list[int] | None, int, list),
        (list[str], int, None),
        (set[int], int, set),
        (frozenset[int], int, frozenset),
        (tuple[int, ...], int, tuple),
        (tuple, int, tuple),
        (tuple[int, int], int, None),
        (dict[str, int], tuple[str, int], dict),
        (dict[str, int], tuple[int, str], None),
        (dict[str, int], int, None),
        (dict[str, int], Any, dict),
        (dict, tuple[str, int], dict),
        (dict, str, None),
        (Mapping[str, float], tuple[str, int], dict),
        (Sequence[int], int, list),
        (MutableSequence[int], int, list),
        (Collection[int], int, list),
        (Reversible[int], int, list),
        (Set[int], int, set),
        (deque[int], int, None),
        # items that are collections themselves
        (list[int], list[int], ITEM),
        (list[list[int]], list[int], list),
        (list, list[int], ITEM),
        (dict[str, int], dict[str, int], ITEM),
        (tuple[int, int], tuple[int, int], ITEM),
        (tuple[int, ...], tuple[int, int], ITEM),
        (Iterable[int], list[int], ITEM),
        (Iterator[list[int]], list[int], STREAM),
        (Point, Point, ITEM),
        (list[Point], Point, list),
        (tuple[Point, ...], Point, tuple),
        (tuple, Point, ITEM),
        (list, Any, list),
        (list[Any], list[int], ITEM),
        (list[T], list[int], ITEM),
        # text is a sequence of text
        (Sequence[str], str, list),
        (Iterable[str], str, STREAM),
        (Collection[int], bytes, ITEM),
    ],
)
def test_a_stream_is_taken_as_the_hint_says(hint: Any, item: Any, way: Any) -> None:
    found = way_of_stream(hint, item, None)
    assert (found and (found.into or found.how)) == way


@pytest.mark.parametrize(
    ("hint", "given", "way"),
    [
        (int, int, VALUE),
        (Any, int, VALUE),
        (int, Any, VALUE),
        (list[int], Any, VALUE),
        (str, int, None),
        (list[int], list[int], VALUE),
        (Iterable[int], list[int], VALUE),
        (Sequence[float], list[int], VALUE),
        (Iterator[int], list[int], STREAM),
        (AsyncIterator[int], list[int], STREAM),
        (Iterator[str], list[int], None),
        (set[int], list[int], set),
        (list[int], set[int], list),
        (dict[str, int], list[tuple[str, int]], dict),
        (int, list[int], ITEM),
        (int | None, list[int], ITEM),
        (float, tuple[int, ...], ITEM),
        (int, range, ITEM),
        (int, list, ITEM),
        (str, Iterable[str], ITEM),
        (str, deque[str], ITEM),
        (str, list[int], None),
        (list[int], list[list[int]], ITEM),
        # what is iterable and still one thing
        (list[str], str, None),
        (Iterator[str], str, None),
        (int, bytes, None),
        (str, dict[str, int], None),
        (int, Point, None),
        (int, tuple[int, int], None),
        (int, list[int] | None, None),
    ],
)
def test_a_value_is_taken_as_the_hint_says(hint: Any, given: Any, way: Any) -> None:
    found = way_of_value(hint, given, None)
    assert (found and (found.into or found.how)) == way


@pytest.mark.parametrize(
    ("hint", "item", "mode", "way"),
    [
        (Any, int, "all", STREAM),
        (Any, int, "each", ITEM),
        (int, int, "all", None),
        (int, int, "each", ITEM),
        (list[int], int, "each", list),
        (list[int], int, "all", list),
        (list, list[int], "all", list),
        (Iterable[str], str, "each", ITEM),
        (Sequence[str], str, "each", ITEM),
        (Iterator[int], int, "each", STREAM),
    ],
)
def test_a_mode_decides_where_the_hint_leaves_it_open(hint: Any, item: Any, mode: Any, way: Any) -> None:
    found = way_of_stream(hint, item, mode)
    assert (found and (found.into or found.how)) == way


@pytest.mark.parametrize(
    ("hint", "given", "mode", "way"),
    [
        (str, list[str], "all", None),
        (set[str], list[str], "all", set),
        (Any, list[int], "each", ITEM),
        (Any, int, "each", VALUE),
        (str, str, "each", ITEM),
        (str, dict[str, int], "each", ITEM),
        (int, int, "each", VALUE),
    ],
)
def test_a_mode_decides_for_values_as_well(hint: Any, given: Any, mode: Any, way: Any) -> None:
    found = way_of_value(hint, given, mode)
    assert (found and (found.into or found.how)) == way


@pytest.mark.parametrize("hint", [str, bytes, int, Point, tuple[int, int], dict[str, int], list[int] | None, Any, T])
def test_what_is_one_thing_is_no_collection(hint: Any) -> None:
    assert not is_collection(hint)


# -- both forms are one --------------------------------------------------------------------------------------


Twins = tuple[Pipeline[..., Any], Pipeline[..., Any], tuple[Any, ...]]


def shape(made: Pipeline[..., Any]) -> Any:
    """The whole DAG, but for the lines of code in it."""
    dag = json.loads(made.dag.to_json())
    for node in dag["nodes"]:
        del node["where"]
    return dag


@step
def urls(count: int) -> Iterator[str]:
    yield from map(str, range(count))


@step(max_in_flight=3)
async def page(url: str, mark: str) -> str:
    return url + mark


@step
def links(page: str, mark: str) -> Iterator[str]:
    yield from (page, page + mark)


@step
def distinct(links: Iterator[str]) -> Iterator[str]:
    yield from dict.fromkeys(links)


@step
def report(distinct: list[str], *, mark: str) -> str:
    return mark.join(distinct)


class Site(NamedTuple):
    count: int
    mark: str = "!"


def crawl_twins() -> Twins:
    @pipeline
    def crawl(count: int, mark: str = "!") -> str:
        found = urls(count).map(page, mark).flat_map(links, mark)
        return report(distinct(found).collect(), mark=mark)

    return pipeline("crawl", steps=[report, urls, page, links, distinct], params=Site), crawl, (3,)


def zipped_twins() -> Twins:
    @step
    def pair(number: int, doubles: int, between: str = ": ") -> str:
        return f"{number}{between}{doubles}"

    @pipeline
    def tables(count: int) -> Stream[str]:
        found = numbers(count)
        return zip_streams(found, found.map(double)).starmap(pair)

    return pipeline("tables", steps=[numbers, double, pair], params=Count), tables, (3,)


def collected_twins() -> Twins:
    @step
    def sizes(numbers: list[int], others: set[int], more: tuple[int, ...]) -> list[int]:
        return [len(numbers), len(others), len(more)]

    @step
    def again(numbers_list: list[int]) -> int:
        return len(numbers_list)

    @step
    def evens(number: int) -> tuple[int, int]:
        return number % 2, number

    @step
    def lasts(evens: dict[int, int]) -> dict[int, int]:
        return evens

    @step
    def others(double: int) -> int:
        return double % 4

    @step
    def more(double: int) -> int:
        return double % 3

    @pipeline
    def collections(count: int) -> tuple[list[int], int, dict[int, int]]:
        found = numbers(count)
        twice = found.map(double)
        pairs = found.map(evens)
        some, rest = twice.map(others), twice.map(more)
        kept = found.collect()
        return sizes(kept, some.collect(set), rest.collect(tuple)), again(kept), lasts(pairs.collect(dict))

    steps = [numbers, double, evens, others, more, sizes, again, lasts]
    return pipeline("collections", steps=steps, params=Count), collections, (5,)


def value_twins() -> Twins:
    @step
    def length(word: str) -> int:
        return len(word)

    @step
    def longest(lengths: Iterator[int], words: list[str]) -> str:
        return f"{max(lengths)} of {len(words)}"

    @step
    def initials(words: set[str]) -> list[str]:
        return sorted(word[0] for word in words)

    @pipeline
    def texts(words: list[str]) -> tuple[str, list[str]]:
        return longest(stream(words).map(length), words), initials(stream(words).collect(set))

    return pipeline("texts", steps=[length, longest, initials], params=Words), texts, (["to", "not"],)


def whole_twins() -> Twins:
    @step
    def shown(settings: Site) -> str:
        return f"{settings.count}{settings.mark}"

    @step
    def repeated(shown: str, site: Site) -> str:
        return shown * site.count

    make = step("Site", fn=Site)

    @pipeline
    def wholes(count: int, mark: str = "!") -> str:
        site = make(count, mark)
        return repeated(shown(site), site)

    return pipeline("wholes", steps=[shown, repeated], params=Site), wholes, (2,)


def sub_twins() -> Twins:
    @pipeline
    def cleaned(words: Stream[str], mark: str) -> Stream[str]:
        return words.map(str.strip).filter(lambda word, mark: word != mark, mark)

    @pipeline
    def joined(cleaned: list[str], between: str = "-") -> str:
        return step("join", fn=lambda words, between: between.join(words))(cleaned, between)

    @step
    def words(text: str) -> Iterator[str]:
        yield from text.split(",")

    class Text(NamedTuple):
        text: str
        mark: str

    @pipeline
    def whole(text: str, mark: str) -> str:
        return joined(cleaned(words(text), mark).collect())

    return pipeline("whole", steps=[joined, cleaned, words], params=Text), whole, ("a, b,!, c", "!")


def stream_of_a_list_twins() -> Twins:
    @pipeline
    def lengths(words: Stream[str]) -> Stream[int]:
        return words.map(len)

    @pipeline
    def whole(words: list[str]) -> Stream[int]:
        return lengths(typing.cast("Any", words))

    return pipeline("whole", steps=[lengths], params=Words), whole, (["to", "not"],)


TWINS = [stream_of_a_list_twins, crawl_twins, zipped_twins, collected_twins, value_twins, whole_twins, sub_twins]


@pytest.mark.parametrize("twins", TWINS)
def test_wired_and_written_pipeline_have_one_dag(twins: Callable[[], Twins]) -> None:
    wired, written, arguments = twins()
    assert shape(wired) == shape(written)
    assert result(wired, *arguments) == result(written, *arguments)


def test_generated_nodes_stand_where_the_pipeline_is_made() -> None:
    @step
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    made = pipeline("totals", steps=[numbers, total], params=Count)
    line = typing.cast("Any", test_generated_nodes_stand_where_the_pipeline_is_made).__code__.co_firstlineno + 5
    for id in ("totals(count)", "totals/collect"):
        assert made.dag.node(id).where == f"test_wiring.py:{line}"


# -- streams together ----------------------------------------------------------------------------------------


def test_several_streams_by_the_item_are_zipped() -> None:
    def pair(number: int, letter: str) -> str:
        return f"{letter}{number}"

    assert result(pipeline("pairs", steps=[numbers, letters, pair], params=Count), 3) == ["a0", "b1", "c2"]


def test_values_go_with_the_items_in_any_order_of_parameters() -> None:
    class Counts(NamedTuple):
        count: int
        sizes: list[int]

    def row(count: int, letter: str, sizes: list[int], *, double: int, end: str = ".") -> str:
        return f"{count} {letter} {sum(sizes)} {double}{end}"

    made = pipeline("rows", steps=[letters, numbers.options(name="double"), row], params=Counts)
    assert result(made, 2, [3, 4]) == ["2 a 7 0.", "2 b 7 1."]


def test_item_may_be_any_parameter() -> None:
    def row(count: int, letter: str) -> str:
        return f"{letter}{count}"

    assert result(pipeline("rows", steps=[letters, row], params=Count), 2) == ["a2", "b2"]


def test_zipped_generators_flatten() -> None:
    def both(number: int, letter: str) -> Iterator[str]:
        yield from (str(number), letter)

    assert result(pipeline("boths", steps=[numbers, letters, both], params=Count), 2) == ["0", "a", "1", "b"]


def test_zipped_parameters_may_be_positional_only() -> None:
    def pair(number: int, letter: str, /) -> str:
        return f"{letter}{number}"

    assert result(pipeline("pairs", steps=[numbers, letters, pair], params=Count), 2) == ["a0", "b1"]


def test_zipped_streams_have_one_length() -> None:
    def shorter(count: int) -> Iterator[int]:
        yield from range(count - 1)

    def pair(number: int, shorter: int) -> int:
        return number + shorter

    made = pipeline("pairs", steps=[numbers, shorter, pair], params=Count)
    with pytest.raises(LengthError, match=r"'shorter' .* is shorter than step 'numbers'"):
        made.run(3)


def test_streams_read_one_after_the_other_are_found_to_lock_up() -> None:
    def total(numbers: Iterator[int], double: Iterator[int]) -> int:
        return sum(numbers) + sum(double)

    steps = [numbers, double, total]
    with pytest.raises(DeadlockError):
        pipeline("totals", steps=steps, params=Count).run(3)
    roomy = [numbers.options(max_in_flight=4), double, total]  # three numbers, and the end
    assert result(pipeline("totals", steps=roomy, params=Count), 3) == 9


def test_a_list_and_the_stream_of_one_step_may_be_read_side_by_side() -> None:
    def lazy(numbers: Iterator[int]) -> tuple[bool, list[int]]:
        return isinstance(numbers, list), list(numbers)

    def eager(numbers: list[int]) -> tuple[bool, list[int]]:
        return isinstance(numbers, list), numbers

    made = pipeline("sides", steps=[numbers, lazy, eager], params=Count)
    assert result(made, 3) == ((False, [0, 1, 2]), (True, [0, 1, 2]))


def test_readers_of_a_list_do_not_hold_up_each_other() -> None:
    def length(word: str) -> int:
        return len(word)

    def share(length: int, lengths_sum: int) -> float:
        return length / lengths_sum

    @step(name="lengths_sum")
    def total(words: Iterator[str]) -> int:
        return sum(map(len, words))

    made = pipeline("shares", steps=[length, total, share], params=Words)
    assert result(made, ["a", "b", "cc"]) == [0.25, 0.25, 0.5]
    assert [node.id for node in made.dag.nodes if node.kind == "iterate"] == ["shares/stream", "shares/stream#2"]


def test_readers_of_an_iterator_share_one_stream() -> None:
    class Lines(NamedTuple):
        lines: Iterable[str]

    def length(line: str) -> int:
        return len(line)

    def first(lines: Iterator[str]) -> str:
        return next(lines)

    def all_of(lines: Iterable[str]) -> list[str]:
        return list(lines)

    steps = [length, first, all_of]
    made = pipeline("readers", steps=steps, params=Lines, returns=("length", "first", "all_of"))
    assert made.run(iter(["a", "bc"])) == ([1, 2], "a", ["a", "bc"])
    assert len([node for node in made.dag.nodes if node.kind == "iterate"]) == 1
    alone = pipeline("alone", steps=[all_of], params=Lines)
    assert alone.run(iter(["a"])) == ["a"]
    assert [node.kind for node in alone.dag.nodes] == ["parameter", "value"]


def test_a_stream_that_nobody_reads_is_drained_and_given_if_it_has_items() -> None:
    seen: list[int] = []

    def note(number: int) -> None:
        seen.append(number)

    made = pipeline("notes", steps=[numbers, note], params=Count)
    assert made.dag.returns == "nothing"
    assert made.run(3) is None
    assert seen == [0, 1, 2]


def test_max_in_flight_of_steps_is_kept_and_generated_nodes_have_one() -> None:
    class Both(NamedTuple):
        count: int
        words: list[str]

    @step(max_in_flight=4)
    def row(number: int, letter: str, words: set[str]) -> int:
        return len(words) + number

    made = pipeline("rows", steps=[numbers.options(max_in_flight=5), letters, row], params=Both)
    bounds = {node.name: node.max_in_flight for node in made.dag.nodes if node.kind != "parameter"}
    assert bounds == {"numbers": 5, "letters": 1, "zip": 1, "stream": 1, "collect": 1, "row": 4}


# -- modes ---------------------------------------------------------------------------------------------------


def test_mode_all_gives_the_stream_to_a_parameter_without_a_hint() -> None:
    total = step("total", fn=lambda numbers: sum(numbers), mode="all")
    assert result(pipeline("totals", steps=[numbers, total], params=Count), 4) == 6


def test_mode_each_takes_the_items_of_a_value() -> None:
    shout = step("shout", fn=lambda word: word.upper(), mode="each")
    assert result(pipeline("shouts", steps=[shout], params=Words), ["a", "b"]) == ["A", "B"]


def test_mode_each_leaves_values_alone_where_there_is_a_stream() -> None:
    row = step("row", fn=lambda number, words: (number, words), mode="each")

    class Both(NamedTuple):
        count: int
        words: list[str]

    assert result(pipeline("rows", steps=[numbers, row], params=Both), 2, ["a"]) == [(0, ["a"]), (1, ["a"])]


def test_modes_of_steps_are_checked_in_bodies_and_decide_in_lines() -> None:
    total = step("total", fn=lambda numbers: sum(numbers), mode="all")
    assert (numbers | total).run(4) == 6

    @step(mode="each")
    def first(word: Iterable[str]) -> str:
        return next(iter(word))

    @step
    def texts() -> Iterator[str]:
        yield from ("ab", "cd")

    assert (texts | first).run() == ["a", "c"]

    @step(mode="each")
    def letters_in(text: str) -> Iterator[str]:
        yield from text

    assert (letters_in | str.upper).run("ab") == ["A", "B"]
    assert first.run("ab") == "a"
    assert first("ab") == "a"


# -- params --------------------------------------------------------------------------------------------------


class AsNamedTuple(NamedTuple):
    count: int
    mark: str = "!"


@dataclasses.dataclass
class AsDataclass:
    count: int
    mark: str = "!"
    made: bool = dataclasses.field(default=True, init=False)


class AsTypedDict(TypedDict):
    count: int
    mark: str


class AsStruct(msgspec.Struct):
    count: int
    mark: str = "!"


def marked(number: int, mark: str) -> str:
    return f"{number}{mark}"


def mark_of(params: AsNamedTuple) -> str:
    return params.mark


@pytest.mark.parametrize("params", [AsNamedTuple, AsDataclass, AsTypedDict, AsStruct])
def test_every_kind_of_params_works(params: Any) -> None:
    made = pipeline("marks", steps=[numbers, marked], params=params)
    assert made.run(count=2, mark="?") == ["0?", "1?"]
    assert made.run(params(count=2, mark="?")) == ["0?", "1?"]
    assert list(made.iter(params(count=2, mark="?"))) == ["0?", "1?"]
    assert SyncRunner().execute(made, params(count=2, mark="?")).result == ["0?", "1?"]
    assert result(made, params(count=1, mark="?")) == ["0?"]


@pytest.mark.parametrize("params", [AsNamedTuple, AsDataclass, AsStruct])
def test_defaults_of_fields_are_those_of_run(params: Any) -> None:
    made = pipeline("marks", steps=[numbers, marked], params=params)
    assert made.run(1) == made.run(count=1) == made.run(params(1)) == ["0!"]


@pytest.mark.parametrize("params", [AsNamedTuple, AsDataclass, AsTypedDict, AsStruct])
def test_a_step_may_take_the_params_as_a_whole(params: Any) -> None:
    def shown(settings: Any, count: int) -> tuple[Any, int]:
        return settings, count

    shown.__annotations__["settings"] = params
    given = params(count=1, mark="?")
    made = pipeline("wholes", steps=[shown], params=params)
    assert made.run(given) == (given, 1)
    assert made.run(count=1, mark="?") == (given, 1)


def test_params_as_a_whole_are_made_only_if_a_step_wants_them() -> None:
    made = pipeline("marks", steps=[numbers, marked], params=AsNamedTuple)
    assert [node.name for node in made.dag.nodes] == ["count", "mark", "numbers", "marked"]


def test_default_of_a_factory_is_made_anew_for_each_run() -> None:
    @dataclasses.dataclass
    class Tags:
        word: str
        tags: list[str] = dataclasses.field(default_factory=lambda: ["new"])

    def tagged(word: str, tags: list[str]) -> list[str]:
        tags.append(word)
        return tags

    made = pipeline("tags", steps=[tagged], params=Tags)

    @pipeline
    def within() -> list[str]:
        return made("a")  # type: ignore[no-any-return]

    default = made._parameters.parameters["tags"].default  # as the command line has it
    for _ in range(2):
        assert made.run("a") == made.run("a", default) == ["new", "a"]
        assert within.run() == ["new", "a"]
    assert repr(default) == "<lambda>()"


def test_params_are_made_before_a_run_begins() -> None:
    @dataclasses.dataclass
    class Positive:
        count: int

        def __post_init__(self) -> None:
            if self.count < 0:
                raise ValueError("negative")
            self.count = min(self.count, 2)

    made = pipeline("all", steps=[numbers], params=Positive)
    with pytest.raises(ValueError, match="negative") as caught:
        made.run(-1)
    assert not hasattr(caught.value, "__notes__")
    assert made.run(9) == [0, 1]


def test_wrong_arguments_of_a_run_are_named() -> None:
    made = pipeline("marks", steps=[numbers, marked], params=AsDataclass)
    with pytest.raises(
        ArgumentError, match=r"pipeline 'marks' .*unexpected keyword argument 'pages'; it takes \(count"
    ):
        made.run(pages=3)
    with pytest.raises(ArgumentError, match="missing a required argument: 'count'"):
        made.run()


def test_pipeline_without_params_takes_none() -> None:
    def words() -> Iterator[str]:
        yield from ("a", "b")

    made = pipeline("alls", steps=[words, step("shout", fn=lambda word: word.upper())])
    assert result(made) == ["A", "B"]
    with pytest.raises(ArgumentError):
        made.run(3)


def test_step_name_is_the_data_set_and_not_that_of_its_function() -> None:
    def shouted(texts: list[str]) -> str:
        return "".join(texts).upper()

    texts = step("texts", fn=lambda words: iter(words), mode="all").options(mode=None)
    words = step("texts", fn=lambda words: words)
    assert texts.name == words.name
    assert pipeline("shouts", steps=[words, shouted], params=Words).run(["a"]) == "A"


# -- what comes out ------------------------------------------------------------------------------------------


def test_pipeline_gives_what_no_step_reads() -> None:
    def total(doubles: list[int]) -> int:
        return sum(doubles)

    assert pipeline("ones", steps=[numbers, double, total], params=Count).run(3) == 6
    assert pipeline("streams", steps=[numbers, double], params=Count).run(3) == [0, 2, 4]
    assert pipeline("streams", steps=[numbers, double], params=Count).dag.returns == "stream"
    several = pipeline("severals", steps=[numbers, double, total, letters], params=Count)
    assert result(several, 3) == (6, ["a", "b", "c"])


def test_returns_says_what_the_pipeline_gives() -> None:
    def total(doubles: list[int]) -> int:
        return sum(doubles)

    steps = [numbers, double, total]
    assert pipeline("ones", steps=steps, params=Count, returns="doubles").run(3) == [0, 2, 4]
    assert pipeline("ones", steps=steps, params=Count, returns=("total", "number")).run(3) == (6, [0, 1, 2])
    assert pipeline("ones", steps=steps, params=Count, returns=["total"]).run(3) == (6,)
    assert pipeline("ones", steps=steps, params=Count, returns=()).run(3) is None


def test_list_that_is_returned_is_the_one_that_steps_read() -> None:
    def total(doubles: list[int]) -> int:
        return sum(doubles)

    made = pipeline("ones", steps=[numbers, double, total], params=Count, returns=("total", "double"))
    assert [node.id for node in made.dag.nodes if node.kind == "collect"] == ["ones/collect"]


# -- together with the rest of the language ------------------------------------------------------------------


def test_wired_pipeline_is_a_pipeline_like_any_other() -> None:
    made = pipeline("doubles", steps=[numbers, double], params=Count)

    @pipeline
    def longer(count: int) -> tuple[list[int], list[int]]:
        return made(count).collect(), made(2).collect()

    assert result(longer, 3) == ([0, 2, 4], [0, 2])
    assert result(made | str, 2) == ["0", "2"]
    assert made.named("twos").run(2) == [0, 2]
    assert made.override({double: lambda number: number + 1}).run(2) == [1, 2]
    assert repr(made) == "<pipeline 'doubles'>"


def test_other_pipelines_are_steps_by_their_names() -> None:
    @pipeline
    def doubles(numbers: Stream[int]) -> Stream[int]:
        return numbers.map(double)

    @pipeline
    def first(doubles: list[int], letters: Iterator[str]) -> tuple[int, str]:
        return step("head", fn=lambda items: items[0])(doubles), step("next", fn=next)(letters)

    made = pipeline("firsts", steps=[first, numbers, doubles, letters], params=Count)
    assert result(made, 3) == (0, "a")
    line = (numbers | double).named("evens")
    total = step("total", fn=lambda evens: sum(evens), mode="all")
    assert result(pipeline("sums", steps=[line, total], params=Count), 3) == 6


def test_two_thousand_steps_can_be_wired() -> None:
    def add(first: int) -> int:
        return first + 1

    steps = [step("step_0", fn=lambda count: count)]
    for number in range(1, 2000):
        namespace: dict[str, Any] = {}
        exec(f"def step_{number}(step_{number - 1}): return step_{number - 1} + 1", namespace)
        steps.append(step(namespace[f"step_{number}"]))
    assert pipeline("many", steps=steps[::-1], params=Count).run(1) == 2000


# -- sub-pipelines -------------------------------------------------------------------------------------------


class Text(NamedTuple):
    text: str
    mark: str = "!"


class TextKeys(TypedDict):
    text: str
    mark: str


@dataclasses.dataclass
class TextData:
    mark: str
    text: str


class TextStruct(msgspec.Struct):
    text: str


@step(max_in_flight=2)
async def upper(text: str) -> str:
    return text.upper()


@step
def shout(upper: str, mark: str) -> str:
    return upper + mark


shouted = pipeline("shouted", steps=[upper, shout], params=Text)


@pipeline
def reversed_text(text: str) -> str:
    return step("reverse", fn=lambda text: text[::-1])(text)  # type: ignore[no-any-return]


@pipeline
def letters_of(text: str, mark: str = "!") -> Stream[str]:
    return stream(text).filter(str.isalpha)


def ids(made: Pipeline[..., Any]) -> list[str]:
    return [node.id for node in made.dag.nodes if node.kind != "parameter"]


def test_pipeline_is_lifted_over_the_stream_of_its_parameter() -> None:
    def texts(words: list[str]) -> Iterator[str]:
        yield from words

    def mark(words: list[str]) -> str:
        return words[0]

    @pipeline
    def lengths(words: list[str]) -> Stream[str]:
        return step(texts)(words).map(shouted, mark=step(mark)(words))

    made = pipeline("lengths", steps=[texts, mark, shouted], params=Words)
    assert result(made, ["?", "a"]) == ["??", "A?"]
    assert sorted(map(str, shape(made)["nodes"])) == sorted(map(str, shape(lengths)["nodes"]))


def test_pipeline_is_lifted_over_the_items_of_a_list() -> None:
    class Texts(NamedTuple):
        texts: list[str]

    assert result(pipeline("backwards", steps=[reversed_text], params=Texts), ["ab", "c"]) == ["ba", "c"]
    assert result(pipeline("alls", steps=[letters_of], params=Texts), ["a1", "b"]) == ["a", "b"]


def test_pipeline_is_lifted_over_several_streams() -> None:
    def text() -> Iterator[str]:
        yield from ("a", "b")

    def marks() -> Iterator[str]:
        yield from ("?", ".")

    made = pipeline("shouts", steps=[text, marks, include("lines", shouted)])
    assert result(made) == ["A?", "B."]
    assert made.dag.node("shouts/lines/upper").max_in_flight == 2


def test_include_without_an_adapter_is_the_pipeline_under_another_name() -> None:
    def joined(first: str, second: str) -> str:
        return first + second

    steps = [include("first", shouted), include("second", shouted), joined]
    made = pipeline("both", steps=steps, params=Text)
    assert result(made, "a") == "A!A!"
    assert ids(made) == [
        "both/first/upper",
        "both/first/shout",
        "both/second/upper",
        "both/second/shout",
        "both/joined",
    ]


@pytest.mark.parametrize("params", [Text, TextKeys, TextData, TextStruct])
def test_adapter_may_give_any_class_with_the_fields(params: Any) -> None:
    def adapted(words: list[str]) -> Any:
        return params(text=words[0], **({} if params is TextStruct else {"mark": "?"}))

    adapted.__annotations__["return"] = params
    made = pipeline("one", steps=[include("line", shouted, fn=adapted)], params=Words)
    assert result(made, ["a", "b"]) == ("A!" if params is TextStruct else "A?")


def test_adapter_may_give_the_only_parameter_itself() -> None:
    def last(words: list[str]) -> str:
        return words[-1]

    def each(words: list[str]) -> Iterator[str]:
        yield from words

    once = pipeline("once", steps=[include("line", reversed_text, fn=last)], params=Words)
    assert result(once, ["ab", "cd"]) == "dc"
    assert ids(once) == ["once/line/adapter/last", "once/line/reverse"]
    many = pipeline("many", steps=[include("line", reversed_text, fn=each)], params=Words)
    assert result(many, ["ab", "cd"]) == ["ba", "dc"]


def test_adapter_may_give_the_only_parameter_that_has_fields_itself() -> None:
    class Note(NamedTuple):
        note: Text

    def noted(words: list[str]) -> Text:
        return Text(words[0])

    inner = pipeline("inner", steps=[step("shown", fn=lambda note: f"{note.text}{note.mark}")], params=Note)
    assert result(pipeline("notes", steps=[include("line", inner, fn=noted)], params=Words), ["a"]) == "a!"


def test_adapter_that_is_called_per_item_runs_the_pipeline_per_item() -> None:
    class Given(NamedTuple):
        words: list[str]
        sign: str

    async def adapted(word: str, sign: str) -> Text:
        return Text(word, sign * 2)

    made = pipeline("each", steps=[include("line", shouted, fn=adapted)], params=Given)
    assert result(made, ["a", "b"], "?") == ["A??", "B??"]
    assert ids(made) == [
        "each/stream",
        "each/line/adapter/adapted",
        "each/line/adapter/text",
        "each/line/adapter/mark",
        "each/line/upper",
        "each/line/zip",
        "each/line/shout",
    ]


def test_adapter_that_gives_a_list_of_params_runs_the_pipeline_for_each() -> None:
    def all_of(words: list[str]) -> list[Text]:
        return [Text(word) for word in words]

    made = pipeline("each", steps=[include("line", shouted, fn=all_of)], params=Words)
    assert result(made, ["a", "b"]) == ["A!", "B!"]


def test_pipeline_with_a_stream_is_flattened_where_it_runs_per_item() -> None:
    def each(words: list[str]) -> Iterator[Text]:
        yield from map(Text, words)

    made = pipeline("all", steps=[include("found", letters_of, fn=each)], params=Words)
    assert result(made, ["a1", "bc"]) == ["a", "b", "c"]


def test_default_of_a_factory_is_made_anew_for_each_item() -> None:
    @dataclasses.dataclass
    class Tags:
        word: str
        tags: list[str] = dataclasses.field(default_factory=lambda: ["new"])

    def tagged(word: str, tags: list[str]) -> list[str]:
        tags.append(word)
        return tags

    inner = pipeline("tags", steps=[tagged], params=Tags)
    made = pipeline("all", steps=[include("found", inner)], params=Words)
    assert result(made, ["a", "b"]) == [["new", "a"], ["new", "b"]]


def test_pipelines_are_included_in_pipelines_that_are_included() -> None:
    def one_more(number: int) -> Count:
        return Count(number + 1)

    def each(numbers: list[int]) -> Iterator[int]:
        yield from numbers

    class Number(NamedTuple):
        number: int

    def first(numbers: list[int]) -> Number:
        return Number(numbers[-1])

    @step
    def doubles(count: int) -> int:
        return count * 2

    def total(double: int, number: int) -> int:
        return double + number

    inner = pipeline("inner", steps=[doubles], params=Count)
    middle = pipeline("middle", steps=[include("double", inner, fn=one_more), total], params=Number)
    steps = [numbers, include("all", middle, fn=each), include("last", middle, fn=first)]
    outer = pipeline("outer", steps=steps, params=Count)
    assert result(outer, 3) == ([2, 5, 8], 8)
    assert "outer/all/double/adapter/one_more" in ids(outer)


def test_script_in_the_corpus_has_the_dag_of_its_twin() -> None:
    from tools.corpus import FOLDER, load

    written, wired = (load(FOLDER / f"{name}.py").cards for name in ("weather_cards", "weather_cards_by_name"))

    def in_one_module(made: Pipeline[..., Any]) -> Any:
        return json.loads(json.dumps(shape(made)).replace("weather_cards_by_name:", "weather_cards:"))

    assert in_one_module(wired) == in_one_module(written)


# -- any wiring ----------------------------------------------------------------------------------------------


@st.composite
def wirings(draw: st.DrawFn) -> tuple[list[Any], dict[str, list[int]]]:
    """Steps that read each other in any way, and what each of them gives; each name in any form that means it."""
    forms = st.sampled_from(["{}_page", "{}_pages", "{}_page_list", "{}_pages_set"])
    steps: list[Any] = []
    found: dict[str, list[int]] = {}  # the items of a stream, or a value

    def add(hints: Mapping[str, str], returns: str, body: str, result: list[int]) -> None:
        name = f"{'abcdefgh'[len(found)]}_pages"
        parameters = ", ".join(f"{draw(forms).format(source[0])}: {hint}" for source, hint in hints.items())
        names = [each.partition(":")[0] for each in parameters.split(", ") if each]
        scope: dict[str, Any] = {"Iterator": Iterator}
        exec(f"def {name}({parameters}) -> {returns}:\n    {body.format(*names)}", scope)
        steps.append(step(scope[name], max_in_flight=draw(st.sampled_from([1, 9]))))
        found[name] = result

    add({}, "Iterator[int]", "yield from (3, 1, 2)", [3, 1, 2])
    for _ in range(draw(st.integers(1, 6))):
        source, other = draw(st.sampled_from(sorted(found))), draw(st.sampled_from(sorted(found)))
        items, others = found[source], found[other]
        match draw(st.sampled_from(["item", "items", "both", "lazy", "list", "flat"])):
            case "item":
                add({source: "int"}, "int", "return {0} * 2", [item * 2 for item in items])
            case "both" if source != other and len(items) == len(others):
                pairs = [one * two for one, two in zip(items, others, strict=True)]
                add({source: "int", other: "int"}, "int", "return {0} * {1}", pairs)
            case "items" if source != other:
                both = [item + len(others) for item in items]
                add({source: "int", other: "list[int]"}, "int", "return {0} + len({1})", both)
            case "lazy":
                add({source: "Iterator[int]"}, "Iterator[int]", "yield from map(abs, {0})", list(items))
            case "flat":
                twice = [item for item in items for _ in range(2)]
                add({source: "int"}, "Iterator[int]", "yield from ({0}, {0})", twice)
            case _:
                add({source: "list[int]"}, "list[int]", "return sorted({0})", sorted(items))
    return draw(st.permutations(steps)), found


@settings(max_examples=150, deadline=None)
@given(wirings())
def test_any_wiring_gives_what_its_functions_give(wiring: tuple[list[Any], dict[str, list[int]]]) -> None:
    steps, found = wiring
    try:
        made = pipeline("any", steps=steps, returns=tuple(found))
        assert made.run() == tuple(found.values())
    except WiringError as error:
        assert "which can never finish" in str(error)  # noqa: PT017  # it is the only one that there may be
    except DeadlockError:
        roomy = [each.options(max_in_flight=99) for each in steps]
        assert pipeline("any", steps=roomy, returns=tuple(found)).run() == tuple(found.values())
