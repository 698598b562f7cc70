"""A program with two nodes on one machine: edges cross from one to the other, and then one of them is killed."""

import threading
from collections.abc import Iterator

import ray
from ray.cluster_utils import Cluster

from headrace import RayRunner, Stream, WorkerError, pipeline, step

HERE, THERE = {"resources": {"here": 1}}, {"resources": {"there": 1}}


def node() -> str:
    found: str = ray.get_runtime_context().get_node_id()
    return found


@step(max_in_flight=8)
def made(count: int) -> Iterator[tuple[int, str]]:
    for number in range(count):
        yield number, node()


@step(max_in_flight=8)
def moved(item: tuple[int, str]) -> tuple[int, str, str]:
    return *item, node()


@step
def few(count: int) -> Iterator[int]:
    yield from range(count)


@step(max_in_flight=8, executor="process")
def worked(number: int) -> tuple[int, str]:
    threading.Event().wait(0.05)  # so that there is a call for each worker
    return number, node()


@pipeline
def crossing(count: int) -> Stream[tuple[int, str, str]]:
    return made(count).map(moved)


if __name__ == "__main__":
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "resources": {"here": 4}})
    other = cluster.add_node(num_cpus=1, resources={"there": 4})
    cluster.wait_for_nodes()
    runner = RayRunner(cluster.address, options={"made": HERE, "moved": THERE})
    found = runner.execute(crossing, 1000).result
    assert [number for number, _, _ in found] == list(range(1000))
    assert len({first for _, first, _ in found}) == len({second for _, _, second in found}) == 1
    assert found[0][1] != found[0][2]
    print("crossed", flush=True)
    spread = RayRunner(cluster.address).execute(few | worked, 40).result
    assert [number for number, _ in spread] == list(range(40))
    assert len({there for _, there in spread}) == 2
    print("spread", flush=True)
    try:
        for number, _, _ in runner.iter(crossing, 10_000_000):
            if number == 100:
                cluster.remove_node(other, allow_graceful=False)
    except WorkerError as error:
        print(error)
    runner.close()
    ray.shutdown()
    cluster.shutdown()
