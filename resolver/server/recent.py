"""Slow and failed resolutions of a node: a line in the log for each, with the path that it took,
and the latest of them for those who look at it live.

Rules: the log has one a second (``Notes``), here is each of them. Only the latest are kept, and
nothing on disk.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from resolver.node.forward import FAILURES
from resolver.server.clock import Clock
from resolver.server.notes import Notes
from resolver.wire.answer import Answer, Hop
from resolver.wire.bodies import ErrorAnswer

KEPT: Final = 50
LONGEST: Final = 300
"""Characters that are kept of an identifier, or of any other text."""


class Recent:
    """Those of one process of a node."""

    def __init__(self, node: str, clock: Clock, slow_s: float) -> None:
        """``slow_s``: a resolution that takes longer is slow."""
        self._node: Final = node
        self._clock: Final = clock
        self._slow_s: Final = slow_s
        self._notes: Final = Notes(node, logging.WARNING)
        self._rows: Final[deque[dict[str, Any]]] = deque(maxlen=KEPT)

    def resolved(self, handle: str, answer: Answer, seconds: float, trace: str) -> None:
        """Tell of a resolution for which others were asked, if it failed or took long.

        Args:
            trace: id of the trace that it is recorded in; empty if it is not.
        """
        failed = answer.code in FAILURES
        if not failed and seconds < self._slow_s:
            return
        kind = "failed" if failed else "slow"
        said = answer.body.message if isinstance(answer.body, ErrorAnswer) else None
        row: dict[str, Any] = {
            "kind": kind,
            "handle": handle,
            "code": int(answer.code),
            "seconds": round(seconds, 6),
            "path": [
                {"node": hop.node, "address": hop.address, "transport": hop.transport,
                 "question": hop.question, "kind": hop.kind, "target": hop.target,
                 "seconds": round(hop.seconds, 6)}
                for hop in answer.hops
            ],
        }  # fmt: skip
        if trace:
            row["trace"] = trace
        self._notes.note(
            f"{kind} after {seconds:.3f} s: {handle}{f': {said}' if said else ''}"
            f"{path_of(answer.hops)}",
            self._clock.now(),
            **row,
        )
        told = {"at": time.time(), "node": self._node, "message": _short(said or "")}
        self._rows.append({**told, **_short(row)})

    @property
    def last_at(self) -> float:
        """When the latest came, in unix seconds; 0 if there is none."""
        return _at(self._rows[-1]) if self._rows else 0.0

    def since(self, at: float) -> list[dict[str, Any]]:
        """Those that came later than ``at``."""
        return [row for row in self._rows if _at(row) > at]


def latest(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The latest of many, the latest first."""
    return sorted(rows, key=_at, reverse=True)[:KEPT]


def path_of(hops: Sequence[Hop]) -> str:
    """Who was asked, what came of it, and how long that took."""
    told = []
    for hop in hops:
        over = f" ({hop.transport})" if hop.transport else ""
        took = f" {hop.seconds * 1000:.1f} ms" if hop.seconds else ""
        told.append(f"; {hop.node or hop.address}{over} {hop.question}: {hop.kind}{took}")
    return "".join(told)


def _at(row: dict[str, Any]) -> float:
    return float(row["at"])


def _short(value: Any) -> Any:
    if isinstance(value, str):
        # What is no Unicode cannot travel over the control plane.
        value = value.encode("utf-8", "backslashreplace").decode()
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
    if isinstance(value, list):
        return [_short(one) for one in value]
    if isinstance(value, dict):
        return {key: _short(one) for key, one in value.items()}
    return value
