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

FACTOR = 360
"""How many times as quick everything goes: an hour takes ten seconds."""

SCRAPE_S = 0.5
LEAST_RANGE_S = 5
"""A node is gone for less, when it is started again on a busy machine."""

UNITS = {"s": 1, "m": 60, "h": 3600}


def why_not() -> str:
    """Why there is no Prometheus here; empty if there is."""
    missing = [program for program in ("prometheus", "promtool") if shutil.which(program) is None]
    return f"{' and '.join(missing)} missing; Debian's package is prometheus" if missing else ""


def quicker(text: str) -> str:
    """Rules or a configuration with all durations divided by ``FACTOR``, but no range shorter than
    ``LEAST_RANGE_S``, nothing that lasts shorter than a second, and a scrape every ``SCRAPE_S``."""

    def ranged(found: re.Match[str]) -> str:
        seconds = float(found[1]) * UNITS[found[2]] / FACTOR
        return f"[{max(LEAST_RANGE_S, round(seconds))}s]"

    def lasting(found: re.Match[str]) -> str:
        seconds = float(found[1]) * UNITS[found[2]] / FACTOR
        return f"for: {max(1, round(seconds))}s"

    text = re.sub(r"\[(\d+)([smh])\]", ranged, text)
    text = re.sub(r"for: (\d+)([smh])", lasting, text)
    return re.sub(
        r"((?:scrape_interval|scrape_timeout|evaluation_interval|refresh_interval): )\d+s",
        rf"\g<1>{SCRAPE_S * 1000:.0f}ms",
        text,
    )


SHORT = {
    "wuhan_heartbeat_age_seconds > 30": "wuhan_heartbeat_age_seconds > 2",
    "wuhan_route_sync_lag_seconds > 3900": "wuhan_route_sync_lag_seconds > 2",
}
"""The thresholds that are times between two events, and what stands for them."""


def quick_rules(folder: Path) -> Path:
    """A copy of our configuration that goes ``FACTOR`` times as quick."""
    folder.mkdir()
    for file in FILES.glob("*.yml"):
        text = quicker(file.read_text(encoding="utf-8"))
        for ours, short in SHORT.items():
            text = text.replace(ours, short)
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
        """The alerts that fire, by name and by upstream, child, node, process or role."""
        alerts = self.get("/api/v1/alerts")["alerts"]
        return {_told(alert["labels"]) for alert in alerts if alert["state"] == "firing"}

    def fired(self, seconds: float) -> set[tuple[str, str]]:
        """Those that have fired in the last seconds, if only between two looks."""
        window = f"{max(1, round(seconds * 1000))}ms"
        rows = self.query(f'max_over_time(ALERTS{{alertstate="firing"}}[{window}])')
        return {_told(row["metric"]) for row in rows}

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False


def _told(labels: dict[str, str]) -> tuple[str, str]:
    """The name of an alert, and what it is about."""
    about = ("upstream", "child", "node", "process", "role")
    return labels["alertname"], next((labels[key] for key in about if key in labels), "")


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
