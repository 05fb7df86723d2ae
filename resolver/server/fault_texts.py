"""Faults as people write them: ``delay=50ms``, ``error=3``, ``drop=5%``, ``garbage``, ``hang``,
``stop``, ``disk=200ms``; and as they go over the control plane.

What each of them does stands in docs/rehearsals.md; ``resolver.server.faults`` keeps those that are
in force.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from resolver.model.codes import ResponseCode
from resolver.model.errors import ConfigError, RefusedError

OUTCOMES: Final = ("error", "drop", "garbage", "hang", "stop")
LONGEST_S: Final = 3600.0
"""Of a delay."""

MAX_MATCH: Final = 2048

_CHANCE: Final = re.compile(r"(\d+(?:\.\d+)?)%")
_CODES: Final = {code.name.lower(): int(code) for code in ResponseCode}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at a node, and when.

    Attributes:
        delay_s: that a request waits before anything is done about it; up to ``delay_to_s``, by
            chance, if that is more.
        outcome: of ``OUTCOMES``, or empty: after the delay all goes on as ever.
        code: the response code of an error.
        disk_s: that each transaction of the store takes longer.
        match: which requests: those for this identifier (one that ends in ``*``: all that begin
            so), or for this prefix and what is below it; empty for all.
        chance: that a request is affected, from 0 to 1.
        after: so many matching requests are let through first.
        times: and so many are affected then; 0 is no limit.
        seconds: until the fault is over by itself; 0 is never.
        seed: of what happens by chance.
    """

    delay_s: float = 0.0
    delay_to_s: float = 0.0
    outcome: str = ""
    code: int = 0
    disk_s: float = 0.0
    match: str = ""
    chance: float = 1.0
    after: int = 0
    times: int = 0
    seconds: float = 0.0
    seed: int = 0

    @property
    def is_of_requests(self) -> bool:
        """Whether it concerns requests at all."""
        return bool(self.outcome or self.delay_s or self.delay_to_s)

    def __str__(self) -> str:
        told = []
        if self.delay_to_s > self.delay_s:
            told.append(f"delay={_milliseconds(self.delay_s)}-{_milliseconds(self.delay_to_s)}")
        elif self.delay_s:
            told.append(f"delay={_milliseconds(self.delay_s)}")
        if self.outcome == "error":
            told.append(f"error={self.code}")
        elif self.outcome:
            told.append(self.outcome)
        if self.disk_s:
            told.append(f"disk={_milliseconds(self.disk_s)}")
        if self.chance < 1:
            told.append(f"chance={self.chance * 100:g}%")
        return " ".join(told)


def fault_from(
    words: Iterable[str],
    *,
    match: str = "",
    seconds: float = 0.0,
    after: int = 0,
    times: int = 0,
    seed: int = 0,
) -> Fault:
    """The fault that ``words`` say, as on the command line.

    Raises:
        ConfigError: they say none; the text says why.
    """
    said: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        for field, value in _read(name, text, has_value=bool(equals)).items():
            if field in said:
                raise ConfigError(
                    f"{word!r} comes on top of another of its kind; a fault has one outcome"
                    " (error, drop, garbage, hang or stop) and one delay"
                )
            said[field] = value
    return checked(Fault(**said, match=match, seconds=seconds, after=after, times=times, seed=seed))


def checked(fault: Fault) -> Fault:
    """``fault``, if it makes sense.

    Raises:
        ConfigError: it does not; the text says why.
    """
    if not fault.is_of_requests and not fault.disk_s:
        raise ConfigError(
            "say what shall go wrong: delay=50ms, error=3, drop=5%, garbage, hang, stop or"
            " disk=200ms"
        )
    if fault.outcome == "stop" and (fault.match or fault.chance < 1 or fault.after or fault.times):
        raise ConfigError("a node is stopped for everybody: stop goes with --for only")
    if fault.outcome and fault.outcome not in OUTCOMES:
        raise ConfigError(f"{fault.outcome!r} is no outcome of {', '.join(OUTCOMES)}")
    if fault.outcome == "error" and not 1 < fault.code < 1 << 32:
        raise ConfigError(f"{fault.code} is no response code of an error; known: {_known()}")
    delays = (fault.delay_s, fault.delay_to_s, fault.disk_s)
    if min(delays) < 0 or max(delays) > LONGEST_S:
        raise ConfigError(f"a delay has between 0 and {LONGEST_S:g} seconds")
    if not 0 < fault.chance <= 1:
        raise ConfigError("a chance is more than 0% and at most 100%")
    if fault.seconds < 0 or min(fault.after, fault.times) < 0:
        raise ConfigError("--for, --after and --times are not negative")
    if len(fault.match) > MAX_MATCH:
        raise ConfigError(f"--match has at most {MAX_MATCH} characters")
    return fault


def fault_to_document(fault: Fault) -> dict[str, Any]:
    """As it goes over the control plane."""
    return asdict(fault)


def fault_from_document(document: object) -> Fault:
    """The fault in what came over the control plane; what is not said is as in ``Fault``.

    Raises:
        RefusedError: there is none.
    """
    kinds = {field.name: type(field.default) for field in fields(Fault)}
    if not isinstance(document, Mapping):
        raise RefusedError(f"a fault is a map with some of {', '.join(kinds)}")
    for name, value in document.items():
        kind = kinds.get(name)
        is_right = isinstance(value, int | float if kind is float else kind or ())
        if not is_right or isinstance(value, bool) or value != value:
            raise RefusedError(f"{name!r} is not what a fault has, or of another kind than there")
    try:
        return checked(Fault(**document))
    except ConfigError as error:
        raise RefusedError(str(error)) from None


def _read(name: str, text: str, *, has_value: bool) -> dict[str, Any]:
    """The fields of a fault that one word sets."""
    if name in ("drop", "garbage", "hang"):
        return {"outcome": name} | ({"chance": _chance(text)} if has_value else {})
    if name == "stop" and not has_value:
        return {"outcome": name}
    if name == "chance":
        return {"chance": _chance(text)}
    if name == "error":
        return {"outcome": name, "code": _code(text)}
    if name == "delay":
        first, dash, last = text.partition("-")
        return {"delay_s": _duration(first), "delay_to_s": _duration(last) if dash else 0.0}
    if name == "disk":
        return {"disk_s": _duration(text)}
    raise ConfigError(
        f"{name!r} is no fault; known: delay=50ms, delay=10ms-90ms, error=CODE, drop=5%, garbage,"
        " hang, stop, disk=200ms, chance=10%"
    )


def _chance(text: str) -> float:
    found = _CHANCE.fullmatch(text)
    if found is None or not 0 < float(found[1]) <= 100:
        raise ConfigError(f"{text!r} is no chance like 5%")
    return float(found[1]) / 100


def _code(text: str) -> int:
    code = int(text) if text.isascii() and text.isdecimal() else _CODES.get(text.lower(), 0)
    if not 1 < code < 1 << 32:
        raise ConfigError(f"{text!r} is no response code of an error; known: {_known()}")
    return code


def _known() -> str:
    return ", ".join(f"{name} ({code})" for name, code in _CODES.items() if code > 1)


def _duration(text: str) -> float:
    # Imported here: nodes never read such texts, and do without what it imports.
    from resolver.topology.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:g}ms"
