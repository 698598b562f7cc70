"""`resource`: what is known at build, and what the compiled pipeline says.

When they are entered and left is told, and tested, in section 8 of the guarantees.
"""

import functools
import io
import re
import sqlite3
import threading
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from pathlib import Path
from typing import Any, Generic, Self, TypeVar
from unittest.mock import MagicMock

import httpx
import pytest

from headrace import Stream, pipeline, resource, step, stream
from headrace.graph.tree import tree

T = TypeVar("T")


class Client:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


class Older:
    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *_: object) -> None: ...


class Untyped:
    def __enter__(self):  # type: ignore[no-untyped-def]
        return 3

    def __exit__(self, *_: object) -> None: ...


class Pool(Generic[T]):
    def __enter__(self) -> list[T]:
        return []

    def __exit__(self, *_: object) -> None: ...


class OnlyAsync:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class Both(Client, OnlyAsync): ...


class Uneven(Pool[int], OnlyAsync): ...


class Maker:
    @contextmanager
    def opened(self, name: str) -> Iterator[set[int]]:
        yield {len(name)}

    def __call__(self) -> Client:
        return Client()


@contextmanager
def connection(path: str = "", retries: int = 3) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as opened:
        yield opened


@asynccontextmanager
async def connection_async() -> AsyncIterator[httpx.AsyncClient]:
    yield httpx.AsyncClient()


def given(_: int, held: Any) -> Any:
    return held


async def given_async(_: int, held: Any) -> Any:
    return held


def used(factory: Any, *arguments: Any, by: Any = given, scope: Any = "run", **keywords: Any) -> Any:
    @pipeline
    def body() -> Stream[Any]:
        return stream([1, 2]).map(by, resource(factory, *arguments, scope=scope, **keywords))

    return body


def node(flow: Any, kind: str = "resource") -> Any:
    (found,) = (node for node in flow.dag.nodes if node.kind == kind)
    return found


def hinted(hint: Any) -> Callable[[], Any]:
    def make() -> Any: ...

    make.__annotations__["return"] = hint
    return make


@pytest.mark.parametrize(
    ("factory", "type", "executor"),
    [
        (connection, "Connection", "inline"),
        (functools.partial(connection, retries=4), "Connection", "inline"),
        (Maker().opened, "set[int]", "inline"),
        (Maker(), "Client", "inline"),
        (connection_async, "AsyncClient", "async"),
        (Client, "Client", "inline"),
        (Older, "Older", "inline"),
        (Untyped, "Any", "inline"),
        (OnlyAsync, "OnlyAsync", "async"),
        (Both, "Both", "inline"),
        (Uneven, "Any", "inline"),
        (httpx.Client, "Client", "inline"),
        (httpx.AsyncClient, "AsyncClient", "async"),
        (open, "Any", "inline"),
        (dict, "dict", "inline"),
        (hinted(AbstractContextManager[int]), "int", "inline"),
        (hinted(typing.ContextManager[int]), "int", "inline"),
        (hinted(AbstractContextManager), "Any", "inline"),
        (hinted(AbstractAsyncContextManager[int]), "int", "async"),
        (hinted("Pool[int]"), "list[int]", "inline"),
        (hinted(Pool), "list[Any]", "inline"),
        (hinted(Client | None), "Client | None", "inline"),
        (hinted(typing.Awaitable[Client]), "Client", "async"),
        (hinted(Iterator[int]), "Iterator[int]", "inline"),
        (hinted(typing.TextIO), "TextIO", "inline"),
        (hinted(int), "int", "inline"),
        (threading.Lock, "Any", "inline"),
        (lambda: 3, "Any", "inline"),
    ],
)
def test_type_is_that_of_what_entering_gives(factory: Any, type: str, executor: str) -> None:
    arguments = ["x"] if factory is open or isinstance(getattr(factory, "__self__", None), Maker) else []
    found = node(used(factory, *arguments))
    assert (found.type, found.executor, found.gives, found.max_in_flight) == (type, executor, "value", 1)


@pytest.mark.parametrize(("by", "executor"), [(given, "inline"), (given_async, "async")])
def test_resource_of_the_run_is_entered_where_its_steps_run(by: Any, executor: str) -> None:
    assert node(used(connection, ":memory:", by=by)).executor == executor


def test_dag_says_when_a_resource_is_entered() -> None:
    for scope, kind in (("run", "resource"), ("item", "item_resource")):
        flow = used(connection, ":memory:", retries=1, scope=scope)
        found = node(flow, kind)
        assert (found.id, found.function) == ("body/connection", f"{__name__}:connection")
        assert re.search(rf"connection +{kind} +path=':memory:', retries=1 +Connection", tree(flow.dag))


def test_resources_of_one_name_are_numbered() -> None:
    @pipeline
    def body() -> None:
        resource(Client)
        resource(Client)
        step("Client", fn=len)(resource(list))

    assert [node.id for node in body.dag.nodes] == ["body/Client", "body/Client#2", "body/list", "body/Client#3"]


def test_file_as_a_stream(tmp_path: Path) -> None:
    def words(line: str) -> list[str]:
        return line.split()

    @pipeline
    def words_of(path: str) -> Stream[str]:
        return stream(resource(open, path, encoding="utf-8")).flat_map(words)

    (tmp_path / "text").write_text("to be\nor not\n")
    assert words_of.run(str(tmp_path / "text")) == ["to", "be", "or", "not"]


def test_resource_is_replaced_by_override() -> None:
    def fake(path: str = "", retries: int = 3) -> dict[str, int]:
        return {path: retries}

    flow = used(connection, "not/there")
    assert flow.override({connection: fake}).run() == [{"not/there": 3}] * 2
    assert node(flow.override({connection: fake})).id == node(flow).id


def test_mocks_stand_in_for_resources_and_are_entered() -> None:
    fake = MagicMock()
    assert used(connection, "not/there").override({connection: fake}).run() == [fake().__enter__()] * 2
    fake.return_value.__exit__.assert_called_once()


def test_async_resource_may_stand_in_for_a_plain_one() -> None:
    flow = used(Client).override({Client: connection_async})
    assert node(flow).executor == "async"
    assert [type(one) for one in flow.run()] == [httpx.AsyncClient] * 2


def test_resource_in_a_sub_pipeline_and_in_a_function_that_the_body_calls() -> None:
    def client_of(name: str) -> io.StringIO:
        return resource(io.StringIO, name)

    @pipeline
    def inner(numbers: Stream[int]) -> Stream[Any]:
        return numbers.map(given, client_of("inner"))

    @pipeline
    def outer() -> Stream[str]:
        return inner(stream([1])).map(io.StringIO.getvalue)

    assert outer.run() == ["inner"]
    assert [node.id for node in outer.dag.nodes][1] == "outer/inner/StringIO"
