"""Sub-pipelines: a pipeline called in the body of another.

Addresses are cleaned in the same way wherever they come from, so the cleaning is a pipeline of its own, with
types like a function's. A call in a body puts its steps there: they show up as `mailing/cleaned/...` in
reports and errors, and cost nothing extra. A line made with `|` is a pipeline too and is called in the same
way.
"""

from collections.abc import Iterator
from typing import Any

from headrace import Stream, pipeline, step, stream


@step
def without_repeats(addresses: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for address in addresses:
        if address not in seen:
            seen.add(address)
            yield address


def is_address(text: str) -> bool:
    name, _, domain = text.partition("@")
    return bool(name) and "." in domain


@pipeline
def cleaned(texts: Stream[str]) -> Stream[str]:
    return without_repeats(texts.map(str.strip).map(str.lower).filter(is_address))


@step
def rows(text: str) -> Iterator[str]:
    yield from text.splitlines()


@step
def domain(address: str) -> str:
    return address.partition("@")[2]


domains_in = rows | cleaned | domain


@step
def letter(address: str, subject: str) -> str:
    return f"{subject} -> {address}"


@pipeline
def mailing(members: list[str], subject: str) -> Stream[str]:
    return cleaned(stream(members)).map(letter, subject)


MEMBERS = [" Ann@example.org", "bob@example.com", "nobody", "ann@EXAMPLE.org ", "cleo@example.net"]

RUNS: dict[str, tuple[Any, ...]] = {
    "a mailing": (mailing, MEMBERS, "Hello"),
    "domains of a file": (domains_in, "\n".join(MEMBERS)),
}

if __name__ == "__main__":
    print(*mailing.iter(MEMBERS, "Hello"), sep="\n")
