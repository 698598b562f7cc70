"""The page of a run as a browser shows it: `nox -s browser`, where chromium and chromedriver are installed."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import struct
import subprocess
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace import NodeSnapshot, Snapshot, Stream, pipeline, step, stream, zip_streams
from headrace.engine.report import NodeReport, Report, Slow
from headrace.graph.dag import Dag
from headrace.observe.page import page
from headrace.observe.recording import Recording

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not os.environ.get("HEADRACE_BROWSER"), reason="nox -s browser runs it"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


class Browser:
    """A window, by the WebDriver protocol."""

    def __init__(self, port: int, profile: Path) -> None:
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        self.session = f"/session/{self.post('/session', wanted)['sessionId']}"

    def post(self, path: str, content: dict[str, Any]) -> Any:
        answer = self.client.post(path, json=content).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def look_like(self, width: int, dark: bool) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", {"features": [scheme]})

    def tell(self, command: str, parameters: dict[str, Any]) -> None:
        self.post(f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, file: Path) -> None:
        self.post(f"{self.session}/url", {"url": file.as_uri()})

    def ask(self, script: str) -> Any:
        return self.post(f"{self.session}/execute/sync", {"script": f"return {script.strip()}", "args": []})

    def picture(self) -> bytes:
        return base64.b64decode(self.client.get(f"{self.session}/screenshot").json()["value"])

    def close(self) -> None:
        self.client.delete(self.session)
        self.client.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert DRIVER is not None
    driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert driver.stdout is not None
        for line in driver.stdout:
            if "successfully" in line:
                break
        browser = Browser(port, tmp_path_factory.mktemp("profile"))
        try:
            yield browser
        finally:
            browser.close()
    finally:
        driver.terminate()
        driver.communicate()


def made(steps: int) -> Dag:
    @pipeline
    def crawl(urls: list[str]) -> Stream[Any]:
        items: Any = stream(urls)
        for number in range(steps - 1):
            name = "a_step_whose_name_is_so_long_that_no_box_holds_it" if number == 1 else f"step{number}"
            items = items.map(step(name, fn=str.upper, max_in_flight=1 + number % 30))
            if number % 10 == 9:
                items = zip_streams(items.map(str.upper), items.map(str.lower)).map(str)
        return items

    return crawl.dag


def page_of(steps: int, failure: BaseException | None = None) -> str:
    dag, recording = made(steps), Recording()
    bounds = {node.id: node.max_in_flight for node in dag.nodes if node.kind != "parameter"}
    for second in range(200):
        nodes = [
            NodeSnapshot(
                id=id, items_in=9 * second, items_out=9 * second, in_flight=second % (bound + 1), seconds=second
            )
            for id, bound in bounds.items()
        ]
        recording.add(Snapshot(seconds=second, over=False, nodes=tuple(nodes)))
    reports = [
        NodeReport(
            id=id,
            items_in=123456,
            items_out=123456,
            failed=number,
            seconds=100 / (1 + number),
            highest_in_flight=bound,
            tracebacks=("Traceback (most recent call last):\n" + "  a long line " * 30 + "\nValueError: no",),
            slowest=(Slow(item="'https://example.org/" + "long/" * 30 + "'", seconds=1.5),),
        )
        for number, (id, bound) in enumerate(bounds.items())
    ]
    return page(dag, Report(nodes=tuple(reports), edges=()), recording, 199.0, failure, datetime(2026, 1, 31, 12))


def failed() -> ValueError:
    try:
        raise ValueError("no " * 200)
    except ValueError as error:
        return error


@pytest.mark.parametrize("steps", [3, 100])
@pytest.mark.parametrize("width", [500, 1300])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_is_readable(browser: Browser, tmp_path: Path, dark: bool, width: int, steps: int) -> None:
    file = tmp_path / "run.html"
    file.write_text(page_of(steps, failed() if dark else None), encoding="utf-8")
    browser.look_like(width, dark)
    browser.open(file)
    assert browser.ask("document.documentElement.scrollWidth - innerWidth") <= 0, "it is wider than the window"
    assert browser.ask(OUTSIDE) == []
    assert browser.ask("performance.getEntriesByType('resource').length") == 0
    assert browser.ask("document.querySelectorAll('.hr-node').length") > steps
    background, ink = browser.ask(COLOURS)
    assert (brightness(background) < 60 < 180 < brightness(ink)) == dark
    assert len(set(pixels(browser.picture()))) > 20


OUTSIDE = """
[...document.querySelectorAll('.hr-node text')].filter(text => {
  const box = text.parentNode.querySelector('rect').getBBox(), own = text.getBBox();
  return own.x < box.x || own.x + own.width > box.x + box.width
    || own.y < box.y || own.y + own.height > box.y + box.height;
}).map(text => text.textContent)
"""
COLOURS = "[document.body, document.body].map((e, i) => getComputedStyle(e)[i ? 'color' : 'backgroundColor'])"


def brightness(colour: str) -> float:
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3


def pixels(picture: bytes) -> Iterator[bytes]:
    """What a PNG's lines begin with after the filter: different in different lines, if anything is drawn."""
    data, place = b"", 8
    while place < len(picture):
        (length,), kind = struct.unpack(">I", picture[place : place + 4]), picture[place + 4 : place + 8]
        data += picture[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        place += length + 12
    lines = zlib.decompress(data)
    size = len(lines) // struct.unpack(">I", picture[20:24])[0]
    return (lines[start : start + size] for start in range(0, len(lines), size))
