"""Batches for a language model: plain steps around an async call.

A model is asked about eight reviews at a time, with three requests under way. The prompt is built and the reply
is taken apart by ordinary functions; `batched` makes the batches, and a plain generator per reply gives single
ratings again, in the order of the reviews. The model here is a stand-in that counts kind and unkind words.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from headrace import Stream, pipeline, step, stream


class Rating(NamedTuple):
    review: str
    stars: int


class Batch(NamedTuple):
    reviews: tuple[str, ...]
    prompt: str


async def model(prompt: str) -> str:
    await asyncio.sleep(0.001)
    reviews = re.findall(r"^\d+: (.*)$", prompt, re.MULTILINE)
    kind = [len(re.findall("good|great|kind", review)) - len(re.findall("bad|rude", review)) for review in reviews]
    return json.dumps({"stars": [max(1, min(5, 3 + count)) for count in kind]})


@step
def asked(reviews: tuple[str, ...]) -> Batch:
    lines = [f"{number}: {review}" for number, review in enumerate(reviews, 1)]
    return Batch(reviews, "\n".join(["Give each review from one to five stars.", *lines]))


@step(max_in_flight=3)
async def answered(batch: Batch) -> tuple[Batch, str]:
    return batch, await model(batch.prompt)


@step
def ratings(reply: tuple[Batch, str]) -> Iterator[Rating]:
    batch, text = reply
    for review, stars in zip(batch.reviews, json.loads(text)["stars"], strict=True):
        yield Rating(review, stars)


@step
def distribution(ratings: Iterator[Rating]) -> dict[int, int]:
    return dict(sorted(Counter(rating.stars for rating in ratings).items()))


@pipeline
def rated(reviews: list[str]) -> Stream[Rating]:
    return stream(reviews).batched(8).map(asked).map(answered).flat_map(ratings)


@pipeline
def summary(reviews: list[str]) -> dict[int, int]:
    return distribution(rated(reviews))


WORDS = ["good", "great", "kind", "bad", "rude", "slow", "quick"]
REVIEWS = [f"The miller was {WORDS[number % 7]} and {WORDS[number * 3 % 7]}." for number in range(45)]

RUNS: dict[str, tuple[Any, ...]] = {
    "forty-five reviews": (summary, REVIEWS),
    "one batch": (rated, REVIEWS[:5]),
    "none": (summary, []),
}

if __name__ == "__main__":
    for stars, count in summary.run(REVIEWS).items():
        print(f"{'*' * stars:6}{count}")
