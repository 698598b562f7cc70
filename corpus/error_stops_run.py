"""An error stops the run.

A row of a table is not what it should be. The exception that the step raised reaches the caller as it is, so
`except ValueError` works as without a pipeline; a note on it says which step, which item and where the step
stands. Everything is closed before the caller hears of it. A failure inside a generator is told in the same
way.
"""

from collections.abc import Iterator
from typing import Any

from headrace import step


@step
def rows(text: str) -> Iterator[str]:
    yield from text.splitlines()


@step
def amount(row: str) -> int:
    _, cents = row.split(";")
    return int(cents)


@step
def balances(amounts: Iterator[int], floor: int = 0) -> Iterator[int]:
    balance = 0
    for each in amounts:
        balance += each
        if balance < floor:
            raise ArithmeticError(f"overdrawn: {balance}")
        yield balance


statement = rows | amount | balances

GOOD = "rent;900\nfood;-45\ntrain;-19"

RUNS: dict[str, tuple[Any, ...]] = {
    "a good table": (statement, GOOD),
    "a bad row": (statement, GOOD + "\nbooks;12,50\nshoes;-80"),
    "overdrawn": (statement, GOOD + "\nshoes;-1000"),
}

if __name__ == "__main__":
    print(*statement.iter(GOOD))
    try:
        statement.run(GOOD + "\nbooks;12,50")
    except ValueError as error:
        print(f"{type(error).__name__}: {error}", *error.__notes__, sep="\n  ")
