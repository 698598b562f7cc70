"""The compiled pipeline, as data.

Lives here: the frozen structs that runners read, and their JSON. Must not live here: any decision. Whatever
was decided at build is a field; a runner that has the `Dag` and the functions needs nothing else.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from headrace.errors import DagError
from headrace.graph.limit import Limit
from headrace.graph.values import shown

__all__ = [
    "RESOURCES",
    "SCHEMA_VERSION",
    "Constant",
    "Dag",
    "Delivery",
    "Edge",
    "Handoff",
    "Kind",
    "Node",
    "NodeLimit",
    "NodeRetry",
    "Program",
    "Stage",
    "schema",
    "what",
]

Version = Literal[1]  # what `Dag.from_json` reads; a new one where older readers would misread the DAG
SCHEMA_VERSION: Version = 1
RESOURCES = frozenset({"resource", "item_resource"})  # of the kinds

Kind = Literal[
    "parameter",  # an argument of the pipeline                                   -> value
    "value",  # a function that is called once                                    -> value
    "collect",  # all items of a stream in a list, or in what its function makes  -> value
    "resource",  # what a function makes, entered for the run and left after it   -> value
    "item_resource",  # the same, for each call of a step that takes it           -> value
    "drain",  # takes what nobody else takes                                      -> value (None)
    "source",  # an iterator that a function makes out of values                  -> stream
    "transform",  # an iterator that a function makes out of whole streams        -> stream
    "iterate",  # the items of a value that is iterable                           -> stream
    "map",  # a function called per item                                          -> stream
    "flat_map",  # a function called per item; every item of what it gives        -> stream
    "filter",  # the items for which a function says yes                          -> stream
    "batch",  # tuples of n items                                                 -> stream
    "take",  # the first n items                                                  -> stream
    "enumerate",  # tuples of a number and an item                                -> stream
    "zip",  # tuples of one item from each stream                                 -> stream
    "merge",  # the items of several streams, as they come                        -> stream
    "failures",  # what a per-item step failed at, where these are caught         -> stream
]
Delivery = Literal[
    "value",  # the parameter gets the value
    "item",  # the function is called per item, and the parameter gets the item
    "unpacked",  # the function is called per item, and the item is spread over its parameters; by keyword: over those
    #              that the edge's parameter names
    "trigger",  # the function is called per item, and does not get it
    "stream",  # the parameter gets a lazy iterator over the whole stream
    "failures",  # the same, over the failures of the source; every other edge gets its results
]
Handoff = Literal[
    "value",  # the stage ends in a value
    "direct",  # one consumer, one in flight: the consumer pulls the iterator itself
    "channel",  # several consumers or several in flight: items wait in a channel
]


class Edge(msgspec.Struct, frozen=True, kw_only=True, tag="edge", tag_field="from"):
    """How one parameter of a node gets what another node gives.

    >>> from headrace import step
    >>> step("double", fn=lambda number: number * 2).dag.node("double/double").edges
    (Edge(parameter='number', source='double(number)', delivery='value', keyword=False, type='Any'),)
    """

    parameter: str
    source: str
    delivery: Delivery
    keyword: bool = False
    type: str = "Any"


class Constant(msgspec.Struct, frozen=True, kw_only=True, tag="constant", tag_field="from"):
    """A parameter that was given plain data in the body (here as text; the data is in the program).

    >>> from headrace import Stream, pipeline, stream
    >>> @pipeline
    ... def digits() -> Stream[int]:
    ...     return stream("123").map(int)
    >>> digits.dag.nodes[0].inputs
    (Constant(parameter='items', value="'123'", keyword=False, type='Any'),)
    """

    parameter: str
    value: str
    keyword: bool = False
    type: str = "Any"


class NodeLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limit that a node shares with all others whose limit has this name. The limit itself is in the program.

    At most `concurrency` calls run at once; at most `units` begin in `seconds`, spread evenly but for a `burst`, and
    each counts for 1 or for what the function `cost` gives.

    >>> from headrace import Limit, step
    >>> step("double", fn=lambda number: number * 2, limit=Limit(rate="100/min")).dag.node("double/double").limit
    NodeLimit(name='100/min', concurrency=None, units=100.0, seconds=60.0, cost=None, burst=1)
    """

    name: str
    concurrency: int | None = None
    units: float | None = None
    seconds: float | None = None
    cost: str | None = None
    burst: int = 1


class NodeRetry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a call that failed is made again. What decides is in the program.

    After one of the exceptions `on`, or if the function that it names says so: at most `attempts` calls in all, and
    none that would begin `timeout` seconds or more after the first failure. The n-th wait is `wait_initial` times
    `wait_exp_base` to the power of n - 1, at most `wait_max`, and up to `wait_jitter` by chance; or what the function
    `retry_after` gives for the exception. All of it in seconds. Or a tenacity object decides, of which `custom` is a
    text.

    >>> from headrace import Retry, step
    >>> again = Retry(on=TimeoutError, attempts=3, timeout=60)
    >>> step("double", fn=lambda number: number * 2, retry=again).dag.node("double/double").retry
    NodeRetry(on=('builtins:TimeoutError',), attempts=3, timeout=60, wait_initial=0.1, wait_max=5.0, ...)
    """

    on: tuple[str, ...] = ()
    attempts: int | None = None
    timeout: float | None = None
    wait_initial: float | None = None
    wait_max: float | None = None
    wait_jitter: float | None = None
    wait_exp_base: float | None = None
    retry_after: str | None = None
    custom: str | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """One step of the compiled pipeline, with everything that was decided about it.

    `id` is the path through the sub-pipelines (`crawl/pages_of/fetch`); `where` is the file and line of the
    step's function; `level` is the number of edges on the longest way to it; `stage` counts from 0 (a
    parameter has none). A node with an `inner` DAG has no function: it runs that DAG for each item, whose parameters
    it gives its inputs, in order. `on_error` says what a failure does: it stops the run, its item is left out, or it
    goes to the failures of the step as an item; a run whose step has more than `max_failures` (a number, or a fraction
    of its items) is stopped all the same. A call that takes longer than `timeout` seconds is ended, and fails. A runner
    that has a store keeps the results of a node with `checkpoint`; they are those of `version`, or of its function's
    code, and of all arguments but those of the parameters `unkeyed`. A call of an `idempotent` node may be made again
    whose worker process died.

    >>> from headrace import step
    >>> node = step("double", fn=lambda number: number * 2).dag.node("double/double")
    >>> node.kind, node.gives, node.type, node.max_in_flight, node.level, node.stage
    ('value', 'value', 'Any', 1, 1, 0)
    """

    id: str
    name: str
    kind: Kind
    gives: Literal["value", "stream"]
    type: str
    function: str | None
    where: str
    inputs: tuple[Edge | Constant, ...]
    max_in_flight: int
    concurrency: int
    ordered: bool
    executor: Literal["inline", "thread", "process", "async"]
    level: int
    stage: int | None
    on_error: Literal["raise", "skip", "catch"] = "raise"
    max_failures: int | float | None = None
    inner: Dag | None = None
    idempotent: bool = False
    timeout: float | None = None
    checkpoint: bool = False
    version: str | None = None
    unkeyed: tuple[str, ...] = ()
    limit: NodeLimit | None = None
    retry: NodeRetry | None = None

    @functools.cached_property  # runs ask again and again
    def edges(self) -> tuple[Edge, ...]:
        """The inputs that come from other nodes."""
        return tuple(entry for entry in self.inputs if isinstance(entry, Edge))

    @functools.cached_property
    def stream_edges(self) -> tuple[Edge, ...]:
        """The inputs that are streams, whole or per item."""
        return tuple(edge for edge in self.edges if edge.delivery != "value")

    @functools.cached_property
    def value_edges(self) -> tuple[Edge, ...]:
        """The inputs that must be there before the node can start."""
        return tuple(edge for edge in self.edges if edge.delivery == "value")

    def __str__(self) -> str:
        return f"{what(self.kind)} '{self.name}' ({self.where})"


def what(kind: Kind) -> str:
    """What a node of that kind is called in messages."""
    return "parameter" if kind == "parameter" else "resource" if kind in RESOURCES else "step"


class Stage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A maximal run of nodes that is composed natively, and how its last node hands over.

    `executor` says where it runs: on the run's own thread, in threads, in worker processes, or in asyncio tasks.
    `fiber` is true where the stage must be able to wait without holding up whoever takes its items. The run is linear,
    but for the nodes of each group in `woven`: these see the items of the node before them together, one by one.

    >>> from headrace import step
    >>> (stage,) = step("double", fn=lambda number: number * 2).dag.stages
    >>> stage.nodes, stage.handoff
    (('double/double',), 'value')
    """

    nodes: tuple[str, ...]
    handoff: Handoff
    executor: Literal["inline", "thread", "process", "async"]
    fiber: bool
    woven: tuple[tuple[str, ...], ...] = ()


class Dag(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled pipeline. Runners read this and nothing else.

    >>> from headrace import step
    >>> double = step("double", fn=lambda number: number * 2)
    >>> dag = double.dag
    >>> [node.id for node in dag.nodes]
    ['double(number)', 'double/double']
    >>> Dag.from_json(dag.to_json()) == dag
    True
    """

    version: Version
    name: str
    returns: Literal["nothing", "value", "tuple", "stream"]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    stages: tuple[Stage, ...]

    def to_json(self) -> bytes:
        """Deterministic JSON: the same pipeline gives the same bytes in every process.

        >>> from headrace import step
        >>> step("double", fn=lambda number: number * 2).dag.to_json()[:31]
        b'{"version":1,"name":"double","r'
        """
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes | str) -> Dag:
        """The DAG that `to_json` wrote.

        Raises: DagError: the data is not the JSON of a DAG, or of one in a version that this headrace does not read.
        """
        try:
            _check_version(msgspec.json.decode(data, type=_Versioned))
            return msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise DagError(f"DAG: must be JSON as Dag.to_json writes it, got other data: {error}") from None

    def node(self, id: str) -> Node:
        """The node of that id.

        Raises: KeyError: there is none.
        """
        for node in self.nodes:
            if node.id == id:
                return node
        raise KeyError(id)

    def consumers(self) -> dict[str, list[tuple[str, Edge]]]:
        """Every stream node's consumers: pairs of a consumer's id and the edge, in the order of the nodes."""
        table: dict[str, list[tuple[str, Edge]]] = {node.id: [] for node in self.nodes if node.gives == "stream"}
        for node in self.nodes:
            for edge in node.stream_edges:
                table[edge.source].append((node.id, edge))
        return table

    def levels(self) -> list[list[str]]:
        """The ids of the nodes by level: all of a level depend only on those before it."""
        depth = max((node.level for node in self.nodes), default=-1) + 1
        return [[node.id for node in self.nodes if node.level == level] for level in range(depth)]


class _Versioned(msgspec.Struct):
    """What can be read of a DAG of any version."""

    name: Any = None
    version: Any = None


def _check_version(found: _Versioned) -> None:
    if found.version != SCHEMA_VERSION:
        got = "none" if found.version is None else shown(found.version)
        raise DagError(
            f"DAG {found.name!r}: must be of schema version {SCHEMA_VERSION} for this headrace to read it, got {got}; "
            "read it with the headrace that wrote it"
        )


def schema() -> dict[str, Any]:
    """The JSON Schema of what `Dag.to_json` writes.

    It is published as `dag.schema.json`, beside this file; after a change here, `python tools/dag_schema.py`
    writes it anew.

    >>> schema()["$ref"]
    '#/$defs/Dag'
    """
    made = msgspec.json.schema(Dag)
    for definition in made["$defs"].values():
        definition["description"] = inspect.cleandoc(definition["description"]).split(">>>")[0].strip()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A `Dag` together with what JSON cannot hold: all that a runner in the same process needs.

    `functions`, `limits`, `retries` (a `Retry`, or a tenacity object) and `inner` (the programs of sub-pipelines that
    run per item) are found by the node's id, `constants` by the node's id and their place among its inputs. Of nodes
    whose results may be kept, `results` has the type hints of these (of one item, for a `flat_map`), and `codes`
    fingerprints of the functions. docs/own_runner.md builds a runner on it.

    >>> from headrace import Stream, pipeline, stream
    >>> @pipeline
    ... def digits() -> Stream[int]:
    ...     return stream("123").map(int)
    >>> digits.program.functions, digits.program.constants
    ({'digits/int': <class 'int'>}, {('digits/stream', 0): '123'})
    """

    dag: Dag
    functions: Mapping[str, Callable[..., Any]]
    constants: Mapping[tuple[str, int], Any]
    inner: Mapping[str, Program]
    results: Mapping[str, Any]
    codes: Mapping[str, str]
    limits: Mapping[str, Limit]
    retries: Mapping[str, Any]
