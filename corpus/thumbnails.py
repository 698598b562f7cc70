"""Work for all cores: `executor="process"`.

Pictures are scaled down in pure Python, which keeps a core busy for each. The calls run in worker processes, results
in order; that is all that `executor="process"` changes. It needs no `if __name__ == "__main__":` and no rules about
where functions are defined. `idempotent=True` says that scaling a picture twice does no harm, so a worker that is
killed (as systems do that run out of memory) costs nothing but time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace import Stream, pipeline, step

SHADES = " .:-=+*#%@"


@dataclass(frozen=True)
class Picture:
    name: str
    width: int
    pixels: bytes  # row by row, 0 is black


@step(max_in_flight=4)
def drawn(names: list[str], size: int) -> Iterator[Picture]:
    for name in names:
        frequency = len(name)
        pixels = bytes((x * x + y * y) * frequency // size % 256 for y in range(size) for x in range(size))
        yield Picture(name, size, pixels)


@step(executor="process", max_in_flight=8, idempotent=True)
def thumbnail(picture: Picture, width: int) -> Picture:
    block = picture.width // width
    rows = len(picture.pixels) // picture.width // block
    means = bytes(mean_of_block(picture, x * block, y * block, block) for y in range(rows) for x in range(width))
    return Picture(picture.name, width, means)


def mean_of_block(picture: Picture, left: int, top: int, size: int) -> int:
    rows = (picture.width * y + left for y in range(top, top + size))
    return sum(sum(picture.pixels[row : row + size]) for row in rows) // (size * size)


def as_text(picture: Picture) -> str:
    shades = [SHADES[pixel * len(SHADES) // 256] for pixel in picture.pixels]
    rows = ("".join(shades[row : row + picture.width]) for row in range(0, len(shades), picture.width))
    return "\n".join([picture.name, *rows])


@pipeline
def sheet(names: list[str], size: int, width: int) -> Stream[str]:
    return drawn(names, size).map(thumbnail, width).map(as_text)


RUNS: dict[str, tuple[Any, ...]] = {
    "six pictures": (sheet, ["sea", "dune", "field", "forest", "harbour", "mountain"], 64, 8),
    "none": (sheet, [], 64, 8),
}

if __name__ == "__main__":
    for text in sheet.run(["sea", "mountain"], 240, 24):
        print(text)
