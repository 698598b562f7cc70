"""How cost grows: with items, with steps, with branches. A figure is per item, step or branch, beside the smallest."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.case import Case, Contender
from benchmarks.tasks import doubled, highest, numbers, plus_one, total, total_and_highest_found
from headrace import Pipeline, pipeline, step

__all__ = ["CASES"]

source, totalled, highest_of = step(numbers), step(total), step(highest)


# -- items -------------------------------------------------------------------------------------------------

line = source | plus_one | doubled | totalled


def fan_out_with(in_flight: int) -> Pipeline[[int], tuple[int, int]]:
    produced = source.options(max_in_flight=in_flight)

    @pipeline
    def fan_out(count: int) -> tuple[int, int]:
        found = produced(count)
        return totalled(found), highest_of(found)

    return fan_out


fan_out_1, fan_out_64 = fan_out_with(1), fan_out_with(64)


def doubled_total_found(count: int, result: int) -> bool:
    return result == count * (count + 1)


def of_items(run: Callable[[int], Any], most: int) -> tuple[Contender, ...]:
    powers = [10**power for power in range(3, 8) if 10**power <= most and 10**power != 100_000]
    return tuple(Contender(f"headrace, {items:,} items", run, target=1.1, items=items) for items in powers)


ITEMS = Case(
    "items in a line",
    Contender("headrace, 100,000 items", line.run, items=100_000),
    of_items(line.run, 10_000_000),
    items=100_000,
    right=doubled_total_found,
    repeats=3,
)

ITEMS_OF_FAN_OUT = Case(
    "items in a fan-out",
    Contender("headrace, 100,000 items", fan_out_64.run, items=100_000),
    of_items(fan_out_64.run, 10_000_000),
    items=100_000,
    right=total_and_highest_found,
    repeats=3,
)

MEMORY = Case(
    "memory of a fan-out",
    Contender("headrace, 20,000 items", fan_out_1.run, items=20_000),
    (
        Contender("headrace, 1 in flight", fan_out_1.run, target=1.05),
        Contender("headrace, 64 in flight", fan_out_64.run, target=1.05),
    ),
    items=2_000_000,
    right=total_and_highest_found,
    repeats=1,
    compares="memory",
)


# -- branches ----------------------------------------------------------------------------------------------


@functools.cache
def fan_out_to(branches: int, in_flight: int) -> Pipeline[[int], tuple[int, ...]]:
    produced = source.options(max_in_flight=in_flight)

    @pipeline
    def fan_out(count: int) -> tuple[int, ...]:
        found = produced(count)
        return tuple(totalled(found) for _ in range(branches))

    return fan_out


def to_branches(branches: int, in_flight: int, count: int) -> tuple[int, ...]:
    return fan_out_to(branches, in_flight).run(count)


def all_totals_found(count: int, result: tuple[int, ...]) -> bool:
    return set(result) == {count * (count - 1) // 2}


def of_branches(in_flight: int) -> Case:
    def contender(branches: int) -> Contender:
        run = functools.partial(to_branches, branches, in_flight)
        return Contender(f"headrace, {branches} branches", run, None if branches == 2 else branches)

    return Case(
        f"branches, {in_flight} in flight",
        contender(2),
        (contender(10), contender(100)),
        items=5_000,
        right=all_totals_found,
        repeats=2,
    )


# -- steps -------------------------------------------------------------------------------------------------


def line_of(steps: int) -> Pipeline[[int], Any]:
    """A compiled line of so many steps."""
    made: Any = source | plus_one
    for _ in range(steps - 2):
        made = made | plus_one
    made.dag  # noqa: B018  # compiles it
    return made


kept_line = functools.cache(line_of)


def build(steps: int) -> list[int]:
    line_of(steps)
    return list(range(steps - 1, steps + 9))


def run_ten(steps: int) -> list[int]:
    result: list[int] = kept_line(steps).run(10)
    return result


def ten_done(steps: int, result: list[int]) -> bool:
    return result == list(range(steps - 1, steps + 9))


def of_steps(run: Callable[[int], Any], before: Callable[[int], Any]) -> Callable[[int], Contender]:
    def contender(steps: int) -> Contender:
        ready = functools.partial(before, steps)
        return Contender(f"headrace, {steps:,} steps", run, target=1.1, before=ready, items=steps)

    return contender


built = of_steps(build, lambda steps: line_of(200).run(10))
run_again = of_steps(run_ten, run_ten)

STEPS_BUILT = Case(
    "build a line",
    built(500)._replace(target=None),
    (built(1_000), built(2_000), built(5_000)),
    items=500,
    right=ten_done,
    repeats=1,
)
STEPS_RUN = Case(
    "run a line",
    run_again(500)._replace(target=None),
    (run_again(1_000), run_again(2_000), run_again(5_000)),
    items=500,
    right=ten_done,
    repeats=3,
)

CASES = (ITEMS, ITEMS_OF_FAN_OUT, MEMORY, of_branches(1), of_branches(64), STEPS_BUILT, STEPS_RUN)
