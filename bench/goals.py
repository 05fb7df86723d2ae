"""Goals: a figure, its bound, and whether it is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure.

    Attributes:
        at_least: the bound is the least it may be, not the most.
    """

    what: str
    value: float
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def line(self) -> str:
        """For a person."""
        word = "at least" if self.at_least else "at most"
        unit = f" {self.unit}" if self.unit else ""
        verdict = "met" if self.met else "MISSED"
        return f"{self.what}: {_short(self.value)}{unit}, {word} {_short(self.bound)}: {verdict}"

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"met": self.met}


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def lines_of(goals: Iterable[Mapping[str, Any]]) -> list[str]:
    """The lines of goals as JSON has them."""
    return [
        Goal(**{key: value for key, value in goal.items() if key != "met"}).line() for goal in goals
    ]
