"""The faults in force at a node, for rehearsals: which requests they meet, how often they did, and
when they are over. What a fault does to a request is ``resolver.server.rehearsal``'s business.

    fault.add [fault]            put one in force; its number
    fault.list []                those in force, with what they met
    fault.clear [number|nil]     end one, or all; how many that were

Rules: without a fault nobody here is asked anything. The first process of a node decides; it tells
the others, and writes down what is in force, so that a process that is started again goes on. What
happens by chance comes from a generator of its own for each fault and process, so that the same
requests in the same order meet the same fate. Only callers on the machine itself may use the calls
(``NodeControl.private``).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from resolver.model.errors import RefusedError
from resolver.model.handle import canonical, described_prefix, fold, is_prefix_handle, prefix_of
from resolver.server.clock import Clock
from resolver.server.fault_texts import Fault, fault_from_document, fault_to_document

MAX_FAULTS: Final = 100
METHODS: Final = ("faults.set", "faults.counts")
"""What the first process of a node asks of the others."""

Row = tuple[int, float, dict[str, Any]]
"""Number, end in unix seconds (0: none) and document of a fault."""

Ask = Callable[[str, list[Any]], Awaitable[list[Any]]]
"""Carries out a call in the other processes of the node; what came back."""


@dataclass(slots=True)
class Rule:
    """A fault in force.

    Attributes:
        until: unix seconds; 0 if it has no end.
        asked: requests that match it, so far.
        met: requests that it has affected.
        over: set as soon as it is over.
    """

    number: int
    fault: Fault
    until: float
    random: Random
    asked: int = 0
    met: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def meets(self, handle: str | None) -> bool:
        """Whether it affects a request for ``handle``, which is counted."""
        fault = self.fault
        if fault.match and not (handle and matches(fault.match, handle)):
            return False
        self.asked += 1
        if self.asked <= fault.after or (fault.times and self.met >= fault.times):
            return False
        if fault.chance < 1 and self.random.random() >= fault.chance:
            return False
        self.met += 1
        return True

    def delay_s(self) -> float:
        """How long a request that it affects has to wait."""
        fault = self.fault
        if fault.delay_to_s <= fault.delay_s:
            return fault.delay_s
        return self.random.uniform(fault.delay_s, fault.delay_to_s)


@dataclass(frozen=True, slots=True)
class Met:
    """What one request meets: a wait, and then what the first fault with an outcome says.

    Attributes:
        rule: that fault, or the last that only delays.
    """

    delay_s: float
    rule: Rule

    @property
    def fault(self) -> Fault:
        """The fault of ``rule``."""
        return self.rule.fault


class Faults:
    """The faults of one process of a node."""

    def __init__(self, clock: Clock, path: Path | None = None, worker: int = 0) -> None:
        """
        Args:
            path: where they are written down; None where nothing is.
            worker: which of the processes of its node this is.
        """
        self.rules: tuple[Rule, ...] = ()
        """Those that concern requests; the doors' question is whether there are any."""
        self.changed: Callable[[], None] = _nothing
        """Called when there are others than before."""
        self._all: list[Rule] = []
        self._last = 0
        self._clock: Final = clock
        self._path: Final = path
        self._worker: Final = worker
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the node plays dead."""
        return any(rule.fault.outcome == "stop" for rule in self.rules)

    @property
    def disk_s(self) -> float:
        """What transactions take longer."""
        return sum(rule.fault.disk_s for rule in self._all)

    @property
    def by_handle(self) -> bool:
        """Whether it matters what a request asks for."""
        return any(rule.fault.match for rule in self.rules)

    def meet(self, handle: str | None) -> Met | None:
        """What a request for ``handle`` meets; None if nothing. It is counted."""
        delay_s, last = 0.0, None
        for rule in self.rules:
            if rule.meets(handle):
                delay_s, last = delay_s + rule.delay_s(), rule
                if rule.fault.outcome:
                    break
        return None if last is None else Met(delay_s, last)

    def wake(self) -> None:
        """Begin with those that were in force when the process ended, if any."""
        if self._path is not None:
            with suppress(FileNotFoundError):
                self.set(json.loads(self._path.read_text(encoding="utf-8")))

    def add(self, fault: Fault) -> int:
        """Put a fault in force; its number.

        Raises:
            RefusedError: there are too many.
        """
        if len(self._all) >= MAX_FAULTS:
            raise RefusedError(f"{MAX_FAULTS} faults are in force already; clear some")
        until = self._clock.unix() + fault.seconds if fault.seconds else 0.0
        self._last += 1
        self.set([*self.rows(), (self._last, until, fault_to_document(fault))])
        return self._last

    def clear(self, number: int | None) -> int:
        """End one fault, or all; how many that were."""
        kept = [row for row in self.rows() if number is not None and row[0] != number]
        ended = len(self._all) - len(kept)
        self.set(kept)
        return ended

    def close(self) -> None:
        """Let go of whatever waits here; what is written down stays."""
        if self._timer is not None:
            self._timer.cancel()
        for rule in self._all:
            rule.over.set()
        self._all, self.rules = [], ()

    def rows(self) -> list[Row]:
        """Those in force, as ``set`` takes them."""
        return [(rule.number, rule.until, fault_to_document(rule.fault)) for rule in self._all]

    def counts(self) -> dict[int, tuple[int, int]]:
        """By number: how many requests matched, how many were affected."""
        return {rule.number: (rule.asked, rule.met) for rule in self._all}

    def told(self) -> list[tuple[int, str, str, int, int]]:
        """By fault: number, what it does, to which requests, how many matched and were affected;
        the counts of this process."""
        return [
            (rule.number, str(rule.fault), rule.fault.match, rule.asked, rule.met)
            for rule in self._all
        ]

    def set(self, rows: Iterable[Any]) -> None:
        """Have these in force and no others; those that were there already go on."""
        known, before = {rule.number: rule for rule in self._all}, self._all
        now, rules = self._clock.unix(), []
        for number, until, document in rows:
            self._last = max(self._last, number)
            if not until or until > now:
                fault = fault_from_document(document)
                random = Random(f"{fault.seed}.{self._worker}")
                rules.append(known.get(number) or Rule(number, fault, until, random))
        self._all = rules
        self.rules = tuple(rule for rule in rules if rule.fault.is_of_requests)
        for rule in before:
            if rule not in rules:
                rule.over.set()
        self._wait()
        self._write()
        self.changed()

    def call(self, method: str, params: list[Any]) -> Any:
        """Carry out what another process of the node asks for (``METHODS``)."""
        if method == "faults.set":
            self.set(params[0])
            return True
        return list(self.counts().items())

    def _wait(self) -> None:
        """For the next one that is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ends = [rule.until for rule in self._all if rule.until]
        if ends:
            wait = max(0.05, min(ends) - self._clock.unix())
            self._timer = asyncio.get_running_loop().call_later(wait, self._expire)

    def _expire(self) -> None:
        self.set(self.rows())

    def _write(self) -> None:
        if self._path is None or self._worker:
            return
        if not self._all:
            self._path.unlink(missing_ok=True)
            return
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self.rows()), encoding="utf-8")
        draft.replace(self._path)


class FaultControl:
    """The faults of all processes of a node, over the control plane."""

    def __init__(self, faults: Faults, others: Ask, name: str) -> None:
        self._faults: Final = faults
        self._others: Final = others
        self._name: Final = name
        self.methods: Final[dict[str, Callable[[str, list[Any]], Any]]] = {
            "fault.add": self._add,
            "fault.list": self._list,
            "fault.clear": self._clear,
        }

    async def _add(self, peer: str, params: list[Any]) -> int:
        match params:
            case [document]:
                number = self._faults.add(fault_from_document(document))
                await self._others("faults.set", [self._faults.rows()])
                return number
        raise RefusedError("one fault is expected")

    async def _clear(self, peer: str, params: list[Any]) -> int:
        match params:
            case [int() | None as number]:
                ended = self._faults.clear(number)
                await self._others("faults.set", [self._faults.rows()])
                return ended
        raise RefusedError("the number of a fault is expected, or nil for all")

    async def _list(self, peer: str, params: list[Any]) -> list[dict[str, Any]]:
        totals = {number: list(counts) for number, counts in self._faults.counts().items()}
        for found in await self._others("faults.counts", []):
            for number, (asked, met) in found or ():
                total = totals.setdefault(number, [0, 0])
                total[0] += asked
                total[1] += met
        return [
            {
                "node": self._name,
                "number": rule.number,
                "until": rule.until,
                "text": str(rule.fault),
                "asked": totals[rule.number][0],
                "met": totals[rule.number][1],
                "fault": fault_to_document(rule.fault),
            }
            for rule in self._faults._all
        ]


def matches(pattern: str, handle: str) -> bool:
    """Whether a request for ``handle`` is one of those that ``pattern`` means (``Fault.match``);
    the record of a prefix, ``0.NA/<prefix>``, belongs to the prefix."""
    pattern, handle = fold(pattern), fold(canonical(handle))
    if pattern.endswith("*"):
        return handle.startswith(pattern[:-1])
    if "/" in pattern:
        return handle == pattern
    prefix = described_prefix(handle) if is_prefix_handle(handle) else prefix_of(handle)
    return prefix == pattern or prefix.startswith(pattern + ".")


def _nothing() -> None:
    """Nobody wants to know."""
