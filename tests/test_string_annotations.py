"""Steps whose annotations are text (PEP 563): they mean what they would mean without the quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from headrace import HintError, Step, pipeline, step, stream

if TYPE_CHECKING:
    import collections.abc as cabc
    from collections.abc import AsyncIterator, Iterable

    from elsewhere import Missing  # there is no such module

    from headrace import Stream


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
def later(page: Page) -> str:
    return page.title


class Page:
    def __init__(self, title: str) -> None:
        self.title = title


@step
def pages(count: int) -> Iterator[Page]:
    yield from (Page(str(number)) for number in range(count))


@step
def titles(found: Iterable[Page]) -> Iterable[str]:
    return (page.title for page in found)


@step
def unknown(item: Missing, more: list[Missing.inner] | None = None) -> dict[str, Missing]:
    return {"item": item}


def hints_of(one: Step[..., Any]) -> list[Any]:
    return [parameter.hint for parameter in one.callee.parameters.values()]


def test_names_of_the_module_are_resolved() -> None:
    assert (hints_of(numbers), numbers.callee.result, numbers.callee.streams) == ([int], int, True)


def test_class_that_is_defined_later_is_any_because_it_is_not_there_yet() -> None:
    assert hints_of(later) == [Any]
    assert (pages | later).run(2) == ["0", "1"]


def test_class_that_is_defined_before_is_resolved() -> None:
    assert pages.callee.result is Page


def test_name_for_type_checkers_only_is_any_where_it_stands() -> None:
    assert hints_of(unknown) == [Any, list[Any] | None]
    assert unknown.callee.result == dict[str, Any]
    assert (numbers | unknown).run(1) == [{"item": 0}]


def test_iterable_for_type_checkers_only_still_means_the_whole_stream() -> None:
    assert titles.callee.streams
    assert (pages | titles).run(2) == ["0", "1"]
    assert [node.kind for node in (pages | titles).dag.nodes] == ["parameter", "source", "transform"]


def test_dotted_iterator_for_type_checkers_only_means_the_whole_stream() -> None:
    @step
    def doubled(items: cabc.Iterator[int]) -> cabc.Iterator[int]:
        return (item * 2 for item in items)

    assert (numbers | doubled).run(3) == [0, 2, 4]


def test_stream_for_type_checkers_only_is_a_stream() -> None:
    @pipeline
    def doubled(items: Stream[int]) -> Stream[int]:
        return items.map(lambda item: item * 2)

    assert doubled.run([1, 2]) == [2, 4]


def test_async_iterator_for_type_checkers_only_is_async() -> None:
    def source() -> AsyncIterator[int]:
        raise AssertionError

    assert step(source).callee.is_async


def test_function_in_a_function_sees_the_local_names() -> None:
    class Local: ...

    @step
    def locals_of(count: int) -> Iterator[Local]:
        yield from (Local() for _ in range(count))

    @step
    def takes(item: Local) -> int:
        return 1

    assert (locals_of.callee.result, hints_of(takes)) == (Local, [Local])
    assert (locals_of | takes).run(2) == [1, 1]
    with pytest.raises(HintError, match=re.escape("takes one Local at a time as 'item', got int")):
        numbers | takes


def test_function_in_a_function_in_a_function_sees_the_names_of_both() -> None:
    class Outer: ...

    def make() -> Step[..., Any]:
        class Inner: ...

        @step
        def both(outer: Outer, inner: Inner) -> Any: ...

        assert hints_of(both) == [Outer, Inner]
        return both

    make()


def test_name_that_the_function_uses_is_found_after_its_frame_is_gone() -> None:
    def make() -> Any:
        class Local: ...

        def made(item: Local) -> Local:
            return Local()

        return made, Local

    function, local = make()
    assert hints_of(step(function)) == [local]


def test_pipeline_in_a_function_sees_the_local_names() -> None:
    class Local: ...

    @step
    def source(count: int) -> Iterator[Local]:
        yield from (Local() for _ in range(count))

    @pipeline
    def body(count: int) -> list[Local]:
        return source(count).collect()

    assert len(body.run(2)) == 2
    with pytest.raises(HintError, match=re.escape("is hinted to return list[Local], got the value list[int]")):

        @pipeline
        def wrong(count: int) -> list[Local]:
            return numbers(count).collect()


def test_quotes_inside_of_a_hint_are_resolved() -> None:
    def inner(items: list["Page"], more: dict[str, "Page"] | None) -> Iterator["Page"]: ...  # noqa: UP037

    assert hints_of(step(inner)) == [list[Page], dict[str, Page] | None]
    assert step(inner).callee.result is Page


def test_annotated_is_what_it_annotates() -> None:
    def metres(length: Annotated[int, "metres"]) -> Annotated[Iterator[int], "metres"]: ...

    assert (hints_of(step(metres)), step(metres).callee.result) == ([int], int)


def test_annotation_that_is_no_type_proves_nothing() -> None:
    def odd(a: 1 / 0, b: [int], c: "not a name", d: "") -> 3: ...  # noqa: F722

    assert hints_of(step(odd))[:2] == [Any, Any]
    assert (numbers | step(lambda x: x)).run(1) == [0]


def test_methods_and_wrappers_are_resolved_in_their_own_module() -> None:
    class Store:
        def save(self, page: Page) -> str:
            return page.title

    @pipeline
    def saved(found: list[Page]) -> list[str]:
        return stream(found).map(Store().save).collect()

    assert saved.run([Page("a")]) == ["a"]
    assert hints_of(step(Store().save)) == [Page]
