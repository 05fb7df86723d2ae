"""What users measured, for Locust's statistics and for the figures of ``wuhan bench run``.

Locust takes one event for each request, which costs it some five microseconds of the same core that
asks. Users leave their latencies in a ``Meter`` instead; twice a second all meters are emptied into
Locust's own tables, which then hold what so many events would have left there: counts, rates,
response times, failures. Whoever else listens to ``events.request`` still gets one event for each.

Figures are lines of JSON, each what happened since the one before: for every meter its histogram in
microseconds (finer than Locust's, which has milliseconds), octets, codes and failures. A worker
sends them to its master in the report that Locust sends anyway.
"""

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gevent
from locust import runners
from locust.env import Environment
from locust.exception import LocustError
from locust.runners import WorkerRunner
from locust.stats import StatsEntry, bucket_response_time

from bench.histogram import counted, middle

FIGURES: Final = "WUHAN_BENCH_FIGURES"
"""Names the file for the figures; without it there are none."""

EMPTIED_S: Final = 0.5
_REPORTED_S: Final = 1.0


class WrongAnswerError(LocustError):
    """An answer that is not the right one, or none; two with the same text are one row in Locust's
    table of failures."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WrongAnswerError) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


@dataclass
class Meter:
    """What one kind of user measured since its meter was emptied.

    Attributes:
        kind, name: as Locust's tables have them.
        tier: what thresholds call several clients together.
        latencies: of right answers, in seconds.
        codes: response codes of answers, but for right ones with code 1.
        failures: seconds and reason of everything else.
        octets: of right answers.
        expected: how many right answers ``codes`` holds.
    """

    kind: str
    name: str
    tier: str = ""
    latencies: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)
    failures: list[tuple[float, str]] = field(default_factory=list)
    octets: int = 0
    expected: int = 0

    def right(self, seconds: float, octets: int, code: int) -> None:
        """Count an answer that is right with whatever code."""
        self.latencies.append(seconds)
        self.octets += octets
        self.codes[code] += 1
        self.expected += 1

    def failed(self, seconds: float, reason: str, code: int = 0) -> None:
        """Count a wrong answer, or one that did not come (``code`` 0)."""
        self.failures.append((seconds, reason))
        if code:
            self.codes[code] += 1


class Feed:
    """The meters of one process of Locust."""

    def __init__(self, environment: Environment) -> None:
        self.environment: Final = environment
        self.started = time.perf_counter()
        self._meters: Final[dict[tuple[str, str], Meter]] = {}
        self._path: Final = os.environ.get(FIGURES)
        self._unsent: Final[list[dict[str, Any]]] = []
        events: Any = environment.events
        events.test_start.add_listener(self._start)
        events.test_stop.add_listener(self._stop)
        events.report_to_master.add_listener(self._report)
        events.worker_report.add_listener(self._receive)
        if self._path:
            # Locust's own three seconds are too long for figures that are shown every second.
            runners.WORKER_REPORT_INTERVAL = _REPORTED_S
        gevent.spawn(self._empty_again_and_again)

    def meter(self, kind: str, name: str, tier: str = "") -> Meter:
        """The meter of a kind of user; the same for all of them."""
        return self._meters.setdefault((kind, name), Meter(kind, name, tier))

    def empty(self) -> None:
        """Give on what has been measured."""
        series = [self._emptied(meter) for meter in self._meters.values()]
        self._write({"t": time.time(), "series": [found for found in series if found]})

    def _start(self, environment: Environment, **_: object) -> None:
        self.started = time.perf_counter()
        self._write({"t": time.time(), "start": True, "series": []})

    def _stop(self, environment: Environment, **_: object) -> None:
        self.empty()

    def _empty_again_and_again(self) -> None:
        while True:
            gevent.sleep(EMPTIED_S)
            self.empty()

    def _emptied(self, meter: Meter) -> dict[str, Any] | None:
        latencies, failures, octets = meter.latencies, meter.failures, meter.octets
        if not latencies and not failures:
            return None
        codes = meter.codes
        codes[1] += len(latencies) - meter.expected
        meter.latencies, meter.failures, meter.codes = [], [], Counter()
        meter.octets = meter.expected = 0
        histogram = counted(latencies)
        request = self.environment.events.request
        if len(request._handlers) > 1:
            self._fire_each(meter, latencies, failures, octets)
        else:
            stats: Any = self.environment.stats
            for entry in (stats.total, stats.get(meter.name, meter.kind)):
                add_many(entry, histogram, sum(latencies) * 1e3, octets)
            for seconds, reason in failures:
                stats.log_request(meter.kind, meter.name, seconds * 1e3, 0)
                stats.log_error(meter.kind, meter.name, WrongAnswerError(reason))
        return {
            "type": meter.kind,
            "name": meter.name,
            "tier": meter.tier,
            "us": histogram,
            "octets": octets,
            "codes": +codes,
            "failures": Counter(reason for _, reason in failures),
        }

    def _fire_each(
        self,
        meter: Meter,
        latencies: list[float],
        failures: list[tuple[float, str]],
        octets: int,
    ) -> None:
        fire: Any = self.environment.events.request.fire
        common: dict[str, Any] = {
            "request_type": meter.kind,
            "name": meter.name,
            "context": {},
            "response": None,
        }
        length = octets // max(1, len(latencies))
        for latency in latencies:
            fire(**common, response_time=latency * 1e3, response_length=length, exception=None)
        for seconds, reason in failures:
            fire(
                **common,
                response_time=seconds * 1e3,
                response_length=0,
                exception=WrongAnswerError(reason),
            )

    def _write(self, figures: dict[str, Any]) -> None:
        if isinstance(self.environment.runner, WorkerRunner):
            if figures["series"]:
                self._unsent.append(figures)
        else:
            self._append(figures)

    def _report(self, client_id: str, data: dict[str, Any], **_: object) -> None:
        data["wuhan"] = json.dumps(self._unsent)
        self._unsent.clear()

    def _receive(self, client_id: str, data: dict[str, Any], **_: object) -> None:
        for figures in json.loads(data.get("wuhan", "[]")):
            self._append(figures)

    def _append(self, figures: dict[str, Any]) -> None:
        if self._path:
            with Path(self._path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(figures, separators=(",", ":")) + "\n")


def add_many(entry: StatsEntry, histogram: Counter[int], milliseconds: float, octets: int) -> None:
    """Add right answers to a row of Locust's table, as so many calls of its ``log`` would.

    Args:
        histogram: of their latencies in microseconds.
        milliseconds: all latencies together.
    """
    count = histogram.total()
    if not count:
        return
    row: Any = entry  # Locust declares whole milliseconds and takes fractions
    now = time.time()
    last = row.last_request_timestamp
    if row.use_response_times_cache and last and int(now) > int(last):
        row._cache_response_times(int(now) - 1)
    row.num_requests += count
    row.num_reqs_per_sec[int(now)] += count
    row.last_request_timestamp = now
    row.total_response_time += milliseconds
    least, most = middle(min(histogram)) / 1e3, middle(max(histogram)) / 1e3
    known = row.min_response_time
    row.min_response_time = least if known is None else min(known, least)
    row.max_response_time = max(row.max_response_time, most)
    for lower, number in histogram.items():
        row.response_times[bucket_response_time(middle(lower) / 1e3)] += number
    row.total_content_length += octets


_FEEDS: Final[dict[Environment, Feed]] = {}


def feed_of(environment: Environment) -> Feed:
    """The feed of an environment; made on first use."""
    if environment not in _FEEDS:
        _FEEDS[environment] = Feed(environment)
    return _FEEDS[environment]
