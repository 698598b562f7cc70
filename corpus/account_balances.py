"""A value that async calls need: log in once, and then ask for many things.

`login` is an async step that gives a value. What it gives is an extra argument of the calls, which begin when it
is there; it is computed once in every run, however many calls use it. A login that fails ends the run before
anything is asked. The pipeline is written as if nothing were async.
"""

import asyncio
from typing import Any, NamedTuple

from headrace import Stream, pipeline, step, stream


class Session(NamedTuple):
    user: str
    token: int


class Balance(NamedTuple):
    account: str
    cents: int


@step
async def login(user: str, password: str) -> Session:
    await asyncio.sleep(0.001)
    if password != user[::-1]:
        raise PermissionError(f"wrong password for {user}")
    return Session(user, token=len(user) * 1000)


@step(max_in_flight=4)
async def accounts_of(holder: str, session: Session) -> list[str]:
    await asyncio.sleep(0)
    return [f"{holder}-{session.token + number}" for number in range(len(holder) % 3 + 1)]


def each(accounts: list[str]) -> list[str]:
    return accounts


@step(max_in_flight=4)
async def balance(account: str, session: Session) -> Balance:
    await asyncio.sleep(0.001)
    return Balance(account, sum(account.encode()) * len(session.user) % 1000 - 500)


def is_overdrawn(balance: Balance) -> bool:
    return balance.cents < 0


@pipeline
def overdrawn(holders: list[str], user: str, password: str) -> Stream[Balance]:
    session = login(user, password)
    accounts = stream(holders).map(accounts_of, session).flat_map(each)
    return accounts.map(balance, session).filter(is_overdrawn)


HOLDERS = ["ada", "bea", "cemil", "dora", "eli"]

RUNS: dict[str, tuple[Any, ...]] = {
    "five holders": (overdrawn, HOLDERS, "miller", "rellim"),
    "a wrong password": (overdrawn, HOLDERS, "miller", "wheel"),
    "no holders": (overdrawn, [], "miller", "rellim"),
}

if __name__ == "__main__":
    for account, cents in overdrawn.run(HOLDERS, "miller", "rellim"):
        print(f"{account:12}{cents / 100:8.2f}")
