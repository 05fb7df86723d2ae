"""A real Prometheus, whose rules look at seconds instead of minutes."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from resolver.client import Client, ResolutionError
from resolver.model.errors import UpstreamError
from tests.support.command import COMMAND, until

CONFIG = Path(__file__).parents[2] / "config"
FILES = CONFIG / "prometheus"

FACTOR = 60
"""How many times as quick everything goes."""

UNITS = {"s": 1, "m": 60, "h": 3600}


def why_not() -> str:
    """Why there is no Prometheus here; empty if there is."""
    missing = [program for program in ("prometheus", "promtool") if shutil.which(program) is None]
    return f"{' and '.join(missing)} missing; Debian's package is prometheus" if missing else ""


def quicker(text: str, least: float = 1.0) -> str:
    """Rules or a configuration with all durations divided by ``FACTOR``, but none shorter than
    ``least`` seconds; ranges keep five scrapes at least."""

    def ranged(found: re.Match[str]) -> str:
        seconds = float(found[1]) * UNITS[found[2]] / FACTOR
        return f"[{max(5, round(seconds))}s]"

    def plain(found: re.Match[str]) -> str:
        seconds = float(found[2]) * UNITS[found[3]] / FACTOR
        return f"{found[1]}{max(least, round(seconds)):g}s"

    text = re.sub(r"\[(\d+)([smh])\]", ranged, text)
    return re.sub(
        r"((?:for|scrape_interval|scrape_timeout|evaluation_interval|refresh_interval): )"
        r"(\d+)([smh])",
        plain,
        text,
    )


def quick_rules(folder: Path) -> Path:
    """A copy of our configuration that goes ``FACTOR`` times as quick."""
    folder.mkdir()
    for file in FILES.glob("*.yml"):
        text = quicker(file.read_text(encoding="utf-8"))
        # The one threshold that is a time.
        text = text.replace("wuhan_heartbeat_age_seconds > 30", "wuhan_heartbeat_age_seconds > 3")
        (folder / file.name).write_text(text, "utf-8")
    return folder


class Prometheus:
    """A running one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> Any:
        """What its API says."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=10) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The rows that ``expression`` has now."""
        rows: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return rows

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, by name and by node, child, upstream or process."""
        alerts = self.get("/api/v1/alerts")["alerts"]
        found = set()
        for alert in alerts:
            labels = alert["labels"]
            if alert["state"] == "firing":
                about = next(
                    (labels[key] for key in ("upstream", "child", "node", "process", "role")
                     if key in labels), "",
                )  # fmt: skip
                found.add((labels["alertname"], about))
        return found

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False


@contextmanager
def prometheus(data: Path, folder: Path) -> Iterator[Prometheus]:
    """``wuhan monitor`` beside the network in ``data``."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    process = subprocess.Popen(
        [*COMMAND, "monitor", "--port", str(port), "--config", str(folder)],
        env={**os.environ, "WUHAN_DATA": str(data)},
        stderr=subprocess.PIPE,
    )
    try:
        running = Prometheus(port)
        until(lambda: running.is_ready() or process.poll() is not None)
        assert process.poll() is None, process.communicate()[1]
        yield running
    finally:
        process.terminate()
        process.communicate(timeout=20)


class Load:
    """Somebody who asks a node all the time, in a thread of their own.

    Attributes:
        cold: whether they ask for names that nobody has asked for, instead of ten known ones.
    """

    def __init__(self, server: str, prefix: str) -> None:
        self._server = server
        self._prefix = prefix
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.cold = False

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        numbers = count()
        async with Client(self._server, transport="tcp", timeout=5) as client:
            while not self._over.is_set():
                for _ in range(4):
                    number = next(numbers)
                    name = f"none-{number}" if self.cold else f"{number % 10 + 1:06d}"
                    with suppress(ResolutionError, UpstreamError):
                        await client.resolve(f"{self._prefix}/{name}")
                await asyncio.sleep(0.05)
