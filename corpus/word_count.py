"""A straight line: steps joined with `|`.

The most common words of a text. Each part takes what the part before it gives: item by item, or the whole
stream where its parameter is hinted as an `Iterator`. A generator that is called per item may give any
number of items. Plain functions such as `str.lower` are accepted as they are. For data that goes one way and
needs no names in between, a line is all there is to write; mypy and pyright check it link by link.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from headrace import step


@step
def lines(text: str) -> Iterator[str]:
    yield from text.splitlines()


@step
def words(line: str) -> Iterator[str]:
    for word in line.split():
        yield word.strip(".,;:?!")


@step
def most_common(words: Iterator[str]) -> list[tuple[str, int]]:
    return Counter(words).most_common(3)


count_words = lines | words | str.lower | most_common

VERSE = """\
The water comes down from the hill,
the wheel goes round below the mill;
and all the water that the wheel lets go
is water that the mill will never know."""

RUNS: dict[str, tuple[Any, ...]] = {
    "a verse": (count_words, VERSE),
    "no text": (count_words, ""),
}

if __name__ == "__main__":
    for word, count in count_words.run(VERSE):
        print(f"{count:3} {word}")
