"""Modes: saying outright what the hints leave open.

How varied the words of a text are. `mean` and `spread` do not hint what they take: `mode="all"` gives them the stream
in one call, where `mode="each"` would call them for each item. And a hint may fit both ways: a word is an iterable of
text, and so is a stream of words; `mode="each"` says that a word is meant. Both are checked: a mode that a step cannot
have in its place is an error.
"""

from collections.abc import Iterable, Iterator
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from headrace import pipeline, step


class Params(NamedTuple):
    text: str


@step
def words(text: str) -> Iterator[str]:
    for word in text.lower().split():
        yield word.strip(".,;:?!")


@step(mode="each")
def variety(word: Iterable[str]) -> int:
    return len(set(word))


@step(mode="all")
def mean(varieties: Any) -> float:
    return fmean(varieties)


@step(mode="all")
def spread(varieties: Any) -> float:
    return float(pstdev(varieties))


@step
def summary(mean: float, spread: float, words: list[str]) -> str:
    return f"{len(words)} words with {mean:.2f} different letters, give or take {spread:.2f}"


varied = pipeline("varied", steps=[words, variety, mean, spread, summary], params=Params)

VERSE = """\
The water comes down from the hill,
the wheel goes round below the mill;
and all the water that the wheel lets go
is water that the mill will never know."""

RUNS: dict[str, tuple[Any, ...]] = {"a verse": (varied, VERSE), "a word": (varied, "Mississippi")}

if __name__ == "__main__":
    print(varied.run(VERSE))
