"""Two steps share the limit of one API, which counts tokens, and which one of them can pause.

A shop has titles and descriptions translated. The service allows two calls at once and 6,000 tokens a minute, whoever
they are for, so both steps have the same `Limit`; what a call counts for is the number of words. When the service
answers that it has had enough, `pause` lets no call of either step begin for a while, and the call is made again.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from headrace import Limit, Stream, pipeline, resource, step, stream, zip_streams


class Article(NamedTuple):
    title: str
    description: str


class TooManyRequests(Exception):
    retry_after = 0.01  # seconds


class Service:
    """Turns words around, which is all that this one knows about translating. Its third call comes too early."""

    calls = 0

    def translated(self, text: str) -> str:
        self.calls += 1
        if self.calls == 3:
            raise TooManyRequests
        return " ".join(word[::-1] for word in text.split())


def tokens(text: str) -> int:
    return len(text.split())


api = Limit(concurrency=2, rate="6000/min", cost=tokens, name="translator")


@step(limit=api)
def translated(text: str, service: Service) -> str:
    try:
        return service.translated(text)
    except TooManyRequests as error:
        api.pause(error.retry_after)
        return service.translated(text)


@step
def title(article: Article) -> str:
    return article.title


@step
def description(article: Article) -> str:
    return article.description


@step
def lines(translations: Iterator[tuple[str, str]]) -> Iterator[str]:
    for title, description in translations:
        yield f"{title}: {description}"


@pipeline
def catalogue(articles: list[Article]) -> Stream[str]:
    service = resource(Service)
    given = stream(articles)
    titles = given.map(title).map(translated.options(executor="thread", max_in_flight=3), service)
    descriptions = given.map(description).map(translated, service)
    return lines(zip_streams(titles, descriptions))


ARTICLES = [
    Article("red pen", "a pen that is red"),
    Article("eraser", "takes it all back"),
    Article("ink", "as black as night"),
    Article("ruler", "for the straight and narrow"),
    Article("paper", "waits"),
]

RUNS: dict[str, tuple[Any, ...]] = {"catalogue": (catalogue, ARTICLES)}

if __name__ == "__main__":
    for line in catalogue.iter(ARTICLES):
        print(line)
