"""The counters of several processes as those of one.

Rules: whatever ``Counters`` counts is an int or a float, a histogram, or a mapping of either; so
its fields are added up without being named. What is a state and no count (``GAUGES``) does not
outlive its process.
"""

from typing import Any, Final

import msgpack

from resolver.telemetry.counters import Counters, Histogram

GAUGES: Final = frozenset({"running"})


def pack_counters(counters: Counters) -> bytes:
    """Everything that was counted, as octets."""
    return bytes(msgpack.packb({name: _packed(value) for name, value in vars(counters).items()}))


def add_counters(counters: Counters, packed: bytes, *, gauges: bool = True) -> None:
    """Add to ``counters`` what ``pack_counters`` made of others; without ``gauges``, what counts
    even when the process is no more."""
    found: dict[str, Any] = msgpack.unpackb(packed, strict_map_key=False, use_list=False)
    for name, more in found.items():
        if not hasattr(counters, name) or (name in GAUGES and not gauges):
            continue
        own = getattr(counters, name)
        if isinstance(own, Histogram):
            _add_histogram(own, more)
        elif isinstance(own, dict):
            _add_mapping(own, more)
        else:
            setattr(counters, name, own + more)


def _packed(value: Any) -> Any:
    if isinstance(value, Histogram):
        return (value.counts, value.total)
    if isinstance(value, dict):
        return [(key, _packed(item)) for key, item in list(value.items())]
    return value


def _add_histogram(own: Histogram, more: tuple[tuple[int, ...], float]) -> None:
    counts, total = more
    own.counts = [a + b for a, b in zip(own.counts, counts, strict=True)]
    own.total += total


def _add_mapping(own: dict[Any, Any], more: tuple[tuple[Any, Any], ...]) -> None:
    for key, value in more:
        if isinstance(value, tuple):
            histogram = own.setdefault(key, Histogram())
            _add_histogram(histogram, value)
        else:
            own[key] = own.get(key, 0) + value
