"""Plots as SVG, to stand inside a page: lines over time, and the curve of percentiles.

Rules: no library, no script, nothing from elsewhere; colours are the page's (``--c0`` … ``--c5``).
A point that is None leaves a gap.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from bench.histogram import Histogram, middle

WIDTH: Final = 720
HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 30, 12, 34
_COLOURS: Final = 6
_TICKS: Final = 5
_NINES: Final = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)

Points = Sequence[tuple[float, float | None]]


def over_time(
    lines: Mapping[str, Points], unit: str, *, logarithmic: bool = False, top: float = 0.0
) -> str:
    """Lines over seconds, each with its name; those without a point are left out.

    Args:
        top: where the upright axis ends; by default a little above the largest value.
    """
    shown = {
        name: points for name, points in lines.items() if any(y is not None for _, y in points)
    }
    values = [y for points in shown.values() for _, y in points if y is not None]
    if not values:
        return "<p>no figures</p>"
    end = max(x for points in shown.values() for x, _ in points) or 1.0
    scale = _Scale.of(values, logarithmic=logarithmic)
    if top:
        scale = _Scale(0.0, top, logarithmic=False)
    parts = [_grid(scale, unit)]
    for tick in _steps(0.0, end):
        x = _LEFT + tick / end * (WIDTH - _LEFT - _RIGHT)
        parts.append(_below(x, f"{tick:g} s"))
    for number, (_, points) in enumerate(shown.items()):
        parts.append(_line([(x / end, y) for x, y in points], scale, number))
    return _svg(parts) + _legend(shown)


def percentiles(histograms: Mapping[str, Histogram]) -> str:
    """Latency by percentile, the nines apart evenly as in HDR plots."""
    shown = {name: found for name, found in histograms.items() if found}
    if not shown:
        return "<p>no answers</p>"
    curves = {name: _curve(found) for name, found in shown.items()}
    values = [y for curve in curves.values() for _, y in curve if y]
    scale = _Scale.of(values or [1.0], logarithmic=True)
    right = _place(_NINES[-1])
    parts = [_grid(scale, "ms")]
    for share in _NINES:
        x = _LEFT + _place(share) / right * (WIDTH - _LEFT - _RIGHT)
        parts.append(_below(x, f"{share * 100:g} %"))
    for number, curve in enumerate(curves.values()):
        points = [(_place(share) / right, y) for share, y in curve if share <= _NINES[-1]]
        parts.append(_line(points, scale, number))
    return _svg(parts) + _legend(shown)


def _curve(histogram: Histogram) -> list[tuple[float, float]]:
    total, passed = sum(histogram.values()), 0
    curve = []
    for lower in sorted(histogram):
        curve.append((passed / total, middle(lower) / 1e3))
        passed += histogram[lower]
    curve.append((1 - 1 / (total + 1), middle(max(histogram)) / 1e3))
    return curve


def _place(share: float) -> float:
    """Where a share stands: 0 at 0, 1 at 0.9, 2 at 0.99."""
    return -math.log10(1 - share)


class _Scale:
    """The upright axis."""

    def __init__(self, low: float, high: float, *, logarithmic: bool) -> None:
        self.low, self.high, self.logarithmic = low, high, logarithmic

    @classmethod
    def of(cls, values: Sequence[float], *, logarithmic: bool) -> "_Scale":
        high = max(values)
        if logarithmic:
            least = min((value for value in values if value > 0), default=0.1)
            low = 10.0 ** math.floor(math.log10(least))
            return cls(
                low, max(low * 10, 10.0 ** math.ceil(math.log10(high or low))), logarithmic=True
            )
        return cls(0.0, _steps(0.0, high * 1.05 or 1.0)[-1] or 1.0, logarithmic=False)

    def ticks(self) -> list[float]:
        if self.logarithmic:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        return _steps(self.low, self.high)

    def y(self, value: float) -> float:
        if self.logarithmic:
            value = max(value, self.low)
            share = math.log10(value / self.low) / math.log10(self.high / self.low)
        else:
            share = value / self.high
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _steps(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high`` or just above."""
    rough = (high - low) / _TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [low + step * number for number in range(math.ceil((high - low) / step - 1e-9) + 1)]


def _grid(scale: _Scale, unit: str) -> str:
    parts = []
    for tick in scale.ticks():
        y = scale.y(tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        label = f"{tick:,.0f}" if tick >= 100 else f"{tick:g}"
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    parts.append(f'<text x="4" y="{HEIGHT - 6}">{escape(unit)}</text>')
    return "".join(parts)


def _below(x: float, text: str) -> str:
    if x > WIDTH - _RIGHT + 1:
        return ""
    return f'<text x="{x:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(text)}</text>'


def _line(points: Points, scale: _Scale, number: int) -> str:
    path, pen_up = [], True
    for share, value in points:
        if value is None:
            pen_up = True
            continue
        x = _LEFT + share * (WIDTH - _LEFT - _RIGHT)
        path.append(f"{'M' if pen_up else 'L'}{x:.1f} {scale.y(value):.1f}")
        pen_up = False
    return f'<path class="line" style="stroke:var(--c{number % _COLOURS})" d="{" ".join(path)}"/>'


def _svg(parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'


def _legend(names: Mapping[str, object]) -> str:
    items = (
        f'<span><i style="background:var(--c{number % _COLOURS})"></i>{escape(name)}</span>'
        for number, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(items)}</p>'
