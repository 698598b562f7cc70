"""The picture of a DAG: what is in it, that it is XML whatever things are called, and that nothing lies on anything."""

import sys
from collections.abc import Iterator
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest

from corpus import chapter_profiles, dead_letters, deep_sub_pipelines
from headrace import OptionError, Pipeline, Stream, pipeline, step, stream, zip_streams
from headrace.graph.drawing import Mark, svg

SVG = "{http://www.w3.org/2000/svg}"


def parts(picture: str, kind: str) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(picture).iter(f"{SVG}g") if kind in each.get("class", "").split()]


def texts(part: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in part.iter(f"{SVG}text")]


def boxes(picture: str) -> list[tuple[float, float, float, float]]:
    found = []
    for node in parts(picture, "hr-node"):
        rect = node.find(f"{SVG}rect")
        assert rect is not None
        x, y, width, height = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def long_pipeline(steps: int) -> Pipeline[Any, Any]:
    """With a diamond at every tenth step."""

    @pipeline
    def long(texts: list[str]) -> Stream[Any]:
        made: Any = stream(texts)
        for number in range(steps):
            name = f"step_number_{number}_has_a_long_name" if number % 3 else f"step{number}"
            made = made.map(step(name, fn=str.upper, max_in_flight=1 + number % 4))
            if number % 10 == 0:
                made = zip_streams(made.map(str.upper), made.map(str.lower)).map(str)
        return made

    return long


@pipeline
def crawl(urls: list[str]) -> Stream[str]:
    return stream(urls).map(step("fetch", fn=str.upper, max_in_flight=30, executor="thread", ordered=False))


def test_every_node_has_a_box_with_its_name_what_it_gives_and_what_was_chosen_for_it() -> None:
    assert [texts(node) for node in parts(svg(crawl.dag), "hr-node")] == [
        ["urls", "list[str]"],
        ["stream", "stream of str"],
        ["fetch", "stream of Any", "≤ 30 in flight · thread · any order"],
    ]


def test_values_streams_and_failures_have_arrows_of_their_own() -> None:
    arrows = [arrow.get("class", "").split()[1] for arrow in parts(svg(dead_letters.delivered.dag), "hr-arrow")]
    assert sorted(set(arrows)) == ["hr-failures", "hr-stream", "hr-value"]
    edges = {(edge.source, node.id) for node in dead_letters.delivered.dag.nodes for edge in node.edges}
    assert len(arrows) == len(edges)


def test_sub_pipelines_are_framed_and_so_is_what_runs_per_item() -> None:
    frames = [texts(frame) for frame in parts(svg(chapter_profiles.profiles.dag), "hr-frame")]
    assert frames == [["profile"], ["profile, per item"]]
    nested = [texts(frame)[0] for frame in parts(svg(deep_sub_pipelines.comparison.dag), "hr-frame")]
    assert nested == ["region", "region#2", "concentration", "concentration", "amounts", "amounts"]


def test_what_drains_a_step_is_not_framed() -> None:
    @pipeline
    def unread(texts: list[str]) -> None:
        stream(texts).map(step("write", fn=str.upper))

    picture = svg(unread.dag)
    assert [texts(node)[0] for node in parts(picture, "hr-node")] == ["texts", "stream", "write", "drain"]
    assert parts(picture, "hr-frame") == []


def test_marks_add_counts_failures_and_how_full_the_bound_was() -> None:
    mark = Mark(("3 in, 2 out",), bad="1 failed", full=0.5, hot=True)
    [fetch] = parts(svg(crawl.dag, {"crawl/fetch": mark}), "hr-hot")
    assert texts(fetch) == ["fetch", "3 in, 2 out", "≤ 30 in flight · thread · any order", "1 failed"]
    widths = {rect.get("class"): float(rect.get("width", "")) for rect in fetch.iter(f"{SVG}rect")}
    assert widths["hr-full"] == widths["hr-track"] / 2


def pictures() -> Iterator[str]:
    for steps in (1, 3, 30, 100):
        yield svg(long_pipeline(steps).dag)
    for each in (chapter_profiles.profiles, dead_letters.delivered, deep_sub_pipelines.comparison):
        yield svg(each.dag)


def test_boxes_do_not_overlap_and_all_lie_in_the_picture() -> None:
    for picture in pictures():
        left, top, width, height = map(float, ElementTree.fromstring(picture).get("viewBox", "").split())
        for x, y, right, bottom in boxes(picture):
            assert left <= x < right <= left + width
            assert top <= y < bottom <= top + height
        for one, other in combinations(boxes(picture), 2):
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_hundred_steps_in_a_row_are_set_in_columns() -> None:
    root = ElementTree.fromstring(svg(long_pipeline(100).dag))
    assert float(root.get("height", "")) < 4 * float(root.get("width", ""))


def test_any_name_gives_xml() -> None:
    name = 'a < b & "c" \x00 日本語の名前です'
    picture = svg(step(name, fn=str.upper).dag, {})
    assert [texts(node)[0] for node in parts(picture, "hr-node")][
        1
    ] == 'a < b & "c" \N{REPLACEMENT CHARACTER} 日本語の名前です'


def test_the_same_dag_gives_the_same_picture() -> None:
    assert svg(crawl.dag) == svg(crawl.dag)


def test_without_graphlay_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphlay", None)
    with pytest.raises(OptionError) as caught:
        svg(crawl.dag)
    assert str(caught.value) == (
        "the picture of a pipeline needs 'graphlay', which is not installed; pip install 'headrace[pictures]'"
    )
