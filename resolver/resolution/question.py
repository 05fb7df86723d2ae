"""What is to be resolved, and how much work that may be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be resolved.

    Attributes:
        handle: as asked; a name without a slash means the prefix's handle.
        public_only: leave out values that need authentication (PUBL).
        authoritative: ask primary sites and do not use cached answers (AUTH).
        recursion_count: of the request that led here; upstream requests count on from it.
    """

    handle: str
    indexes: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    public_only: bool = True
    authoritative: bool = False
    recursion_count: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the work and the time of one resolution (seconds)."""

    deadline_s: float = 5.0
    ask_timeout_s: float = 2.0
    max_asks: int = 16
    max_depth: int = 10
