"""Sub-pipelines in sub-pipelines, one of them used twice.

How much two regions depend on few customers. `comparison` uses `region` twice, `region` uses
`concentration`, and that uses `amounts`. Each use is expanded in its place, with a path of its own:
`comparison/region#2/concentration/amounts/parsed`. `concentration` needs its data twice, for the sum and for
each share of it: it collects once and reads the list again with `stream()`, which becomes a small generated
node with one item in flight.
"""

from collections.abc import Iterator
from typing import Any

from headrace import Stream, pipeline, step, stream


def is_number(text: str) -> bool:
    return text.replace(",", "").isdecimal()


@step
def parsed(text: str) -> float:
    return float(text.replace(",", "."))


@pipeline
def amounts(texts: Stream[str]) -> Stream[float]:
    return texts.map(str.strip).filter(is_number).map(parsed)


@step
def total(amounts: list[float]) -> float:
    return sum(amounts)


@step
def herfindahl(amounts: Iterator[float], total: float) -> float:
    return round(sum((amount / total) ** 2 for amount in amounts), 3)


@pipeline
def concentration(texts: Stream[str]) -> float:
    sold = amounts(texts).collect()
    return herfindahl(stream(sold), total(sold))


@step
def line(name: str, concentration: float) -> str:
    return f"{name}: {concentration:.3f}, as if there were {1 / concentration:.1f} customers"


@pipeline
def region(name: str, sales: list[str]) -> str:
    return line(name, concentration(stream(sales)))


@step
def table(first: str, second: str) -> str:
    return f"{first}\n{second}"


@pipeline
def comparison(north: list[str], south: list[str]) -> str:
    return table(region("north", north), region("south", south))


NORTH, SOUTH = ["12,50", "30 ", "n/a", "7,50"], ["25", "24,50", "-", "26", "24,50"]

RUNS: dict[str, tuple[Any, ...]] = {"two regions": (comparison, NORTH, SOUTH)}

if __name__ == "__main__":
    print(comparison.run(NORTH, SOUTH))
