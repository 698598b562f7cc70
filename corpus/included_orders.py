"""Pipelines included by name: once, for each item, and one within the other.

What orders cost with postage. `postage` is a pipeline for one weight, and `price` one for one order, which includes it.
`bill` includes `price` twice: for each order, because the adapter `each` is called for each, and once for all of them
in one parcel. An adapter maps the data of the pipeline around to the parameters of the one that is included. What they
make of it are small nodes with one item in flight: `bill/prices/post/adapter/weight`.
"""

from typing import Any, NamedTuple

from headrace import include, pipeline, step


class Weight(NamedTuple):
    grams: int


@step
def units(grams: int) -> int:
    return -(-grams // 500)


@step(max_in_flight=2)
def stamps(unit: int) -> int:
    return 150 + unit * 95


postage = pipeline("postage", steps=[units, stamps], params=Weight)


class Order(NamedTuple):
    cents: list[int]
    grams: list[int]


def weight(grams: list[int]) -> Weight:
    return Weight(sum(grams) + 80)


@step
def total(cents: list[int], post: int) -> int:
    return sum(cents) + post


price = pipeline("price", steps=[include("post", postage, fn=weight), total], params=Order)


class Params(NamedTuple):
    orders: list[Order]


def each(order: Order) -> Order:
    return order


def together(orders: list[Order]) -> Order:
    return Order(cents=[sum(order.cents) for order in orders], grams=[sum(order.grams) for order in orders])


@step
def savings(prices: list[int], parcel: int) -> str:
    return f"{len(prices)} parcels: {sum(prices) / 100:.2f}, one parcel: {parcel / 100:.2f}"


steps = [include("prices", price, fn=each), include("parcel", price, fn=together), savings]
bill = pipeline("bill", steps=steps, params=Params)

ORDERS = [Order([1250, 300], [300, 90]), Order([480], [120]), Order([9900], [2600])]

RUNS: dict[str, tuple[Any, ...]] = {"three orders": (bill, ORDERS), "no orders": (bill, [])}

if __name__ == "__main__":
    print(bill.run(ORDERS))
