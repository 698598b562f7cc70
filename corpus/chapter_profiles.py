"""Lifted sub-pipelines: written for one chapter, run for each.

`profile` is an ordinary pipeline of one chapter: it can be run and tested by itself. Mapped over a stream it runs for
every chapter. `cleaned` becomes a step that is called per item, four at a time as it says; the sentences, which are
counted and measured as a whole, are those of their own chapter, even if it has none. `spoken` gives a stream, so it is
flat-mapped: the sentences of all chapters, one behind the other.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from headrace import Stream, pipeline, step, stream


class Profile(NamedTuple):
    title: str
    sentences: int
    longest: str


@step
def titled_texts(chapters: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield from chapters.items()


@step(max_in_flight=4)
def cleaned(text: str) -> str:
    return " ".join(text.split())


@step
def sentences(text: str) -> Iterator[str]:
    for sentence in text.split("."):
        if sentence.strip():
            yield sentence.strip()


@step
def count(sentences: Iterator[str]) -> int:
    return sum(1 for _ in sentences)


@step
def longest(sentences: list[str]) -> str:
    return max(sentences, key=len, default="")


@step
def profiled(title: str, count: int, longest: str) -> Profile:
    return Profile(title, count, longest)


@pipeline
def profile(title: str, text: str) -> Profile:
    found = sentences(cleaned(text))
    return profiled(title, count(found), longest(found.collect()))


@step
def said(sentence: str, speaker: str) -> str:
    return f"{speaker}: {sentence}."


@pipeline
def spoken(text: str, speaker: str) -> Stream[str]:
    return sentences(cleaned(text)).filter(str.isascii).map(said, speaker)


@pipeline
def profiles(chapters: dict[str, str]) -> Stream[Profile]:
    return titled_texts(chapters).starmap(profile)


@pipeline
def read_aloud(texts: list[str], speaker: str) -> Stream[str]:
    return stream(texts).flat_map(spoken, speaker)


CHAPTERS = {
    "Morning": "The mill stood still.  The water\nwas low. Nobody came.",
    "Noon": "",
    "Evening": "Then the rain began, and the race filled to its brim. The wheel turned.",
}

RUNS: dict[str, tuple[Any, ...]] = {
    "profiles": (profiles, CHAPTERS),
    "one profile": (profile, "Morning", CHAPTERS["Morning"]),
    "read aloud": (read_aloud, list(CHAPTERS.values()), "Miller"),
}

if __name__ == "__main__":
    print(*profiles.iter(CHAPTERS), sep="\n")
