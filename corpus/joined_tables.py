"""Two tables joined: `collect(dict)`, `collect(set)` and `collect(tuple)`.

Parcels come with the number of an area, and what the areas are called is in a table of their own. Collected into a
`dict`, that table is a value, and as an extra argument it goes with every parcel, so the parcels stay a stream; the
areas under water, which the news may name more than once, are a `set`. The parcels begin to move when both are
complete. Those that nobody knows an area for come out as a `tuple`.
"""

from collections.abc import Iterator
from typing import Any

from headrace import pipeline, step, stream


@step
def lines(table: str) -> Iterator[str]:
    yield from table.splitlines()


@step
def area(line: str) -> tuple[int, str]:
    number, _, name = line.partition(" ")
    return int(number), name


@step
def parcel(line: str) -> tuple[str, int]:
    person, _, number = line.rpartition(" ")
    return person, int(number)


def is_known(parcel: tuple[str, int], areas: dict[int, str]) -> bool:
    return parcel[1] in areas


def is_lost(parcel: tuple[str, int], areas: dict[int, str]) -> bool:
    return not is_known(parcel, areas)


@step
def way(parcel: tuple[str, int], areas: dict[int, str], flooded: set[str]) -> str:
    person, number = parcel
    return f"{person}: {'by boat to' if areas[number] in flooded else 'to'} {areas[number]}"


@pipeline
def ways(table: str, post: str, news: list[str]) -> tuple[list[str], tuple[tuple[str, int], ...]]:
    areas = lines(table).map(area).collect(dict)
    flooded = stream(news).map(str.title).collect(set)
    parcels = lines(post).map(parcel)
    return parcels.filter(is_known, areas).map(way, areas, flooded).collect(), parcels.filter(is_lost, areas).collect(
        tuple
    )


AREAS = """\
10 Upper Mill
20 Weir
30 Sluice Road"""
POST = """\
Ann Miller 20
Bob Race 10
Cy Wheel 99
Dora Hill 30"""

RUNS: dict[str, tuple[Any, ...]] = {
    "four parcels": (ways, AREAS, POST, ["weir", "sluice road", "weir"]),
    "no areas": (ways, "", POST, []),
    "no post": (ways, AREAS, "", ["weir"]),
}

if __name__ == "__main__":
    found, lost = ways.run(AREAS, POST, ["weir"])
    print(*found, sep="\n")
    print("nobody knows where:", *lost)
