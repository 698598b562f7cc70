"""A program that runs a pipeline and leaves another one early, and ends."""

from collections.abc import Iterator

from headrace import RayRunner, step


@step(max_in_flight=8)
def endless() -> Iterator[int]:
    while True:
        yield 1


if __name__ == "__main__":
    with RayRunner("local") as runner:
        for _ in runner.iter(endless | step("same", fn=abs, max_in_flight=2)):
            break
        assert runner.execute(step("length", fn=len), "four").result == 4
