"""Extra arguments: parameters, and values that other steps compute.

How many standard deviations each result is from the mean. `map` gives a step the item and, after it,
whatever else it needs: here two values that steps compute from all results, and a parameter of the pipeline.
The values are computed once; the calls for the items begin when they are there.
"""

from statistics import fmean, pstdev
from typing import Any

from headrace import Stream, pipeline, step, stream


@step
def mean(results: list[float]) -> float:
    return fmean(results)


@step
def spread(results: list[float]) -> float:
    return pstdev(results)


@step
def score(result: float, mean: float, spread: float, digits: int = 1) -> float:
    return round((result - mean) / spread, digits)


@step
def is_unusual(score: float, limit: float) -> bool:
    return abs(score) >= limit


@pipeline
def scores(results: list[float], digits: int) -> Stream[float]:
    return stream(results).map(score, mean(results), spread(results), digits=digits)


@pipeline
def unusual(results: list[float], limit: float) -> Stream[float]:
    return scores(results, 2).filter(is_unusual, limit)


RESULTS = [48.0, 52.0, 50.0, 47.0, 53.0, 50.0, 64.0, 36.0]

RUNS: dict[str, tuple[Any, ...]] = {
    "scores": (scores, RESULTS, 3),
    "unusual ones": (unusual, RESULTS, 1.5),
}

if __name__ == "__main__":
    print(*scores.iter(RESULTS, 1))
