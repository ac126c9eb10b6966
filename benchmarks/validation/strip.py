"""One finding as a strip: the band as a box, the point as a line, the value as a dot with twice its error."""

import math
from collections.abc import Callable

from markupsafe import Markup

from cardarena.benchmarks.validation.findings import MISSES, Finding

_WIDTH, _HEIGHT, _EDGE = 168.0, 18.0, 6.0
_GOOD, _BAD, _BAND, _INK = "#0067a5", "#b3261e", "#e7dfcc", "#1d2b36"


def strip(finding: Finding) -> Markup:
    """Return the strip as SVG; empty where there is no number.

    The band fills the middle, an open end runs out of the strip, and a value beyond the strip becomes an arrow.
    """
    if not math.isfinite(finding.value):
        return Markup("")
    low, high = _span(finding)
    middle = _HEIGHT / 2.0

    def at(x: float) -> float:
        share = (x - low) / (high - low)
        return _EDGE + min(max(share, 0.0), 1.0) * (_WIDTH - 2.0 * _EDGE)

    parts = [_line(_EDGE, _WIDTH - _EDGE, middle, "#dfe4e7", 1.0)]
    if finding.low > -math.inf or finding.high < math.inf:
        left = at(finding.low) if math.isfinite(finding.low) else 0.0
        right = at(finding.high) if math.isfinite(finding.high) else _WIDTH
        parts.append(
            f'<rect x="{left:.1f}" y="2" width="{max(right - left, 1.5):.1f}" height="{_HEIGHT - 4:.0f}" fill="{_BAND}"/>'
        )
    if math.isfinite(finding.point):
        x = at(finding.point)
        parts.append(f'<path d="M{x:.1f} 2V{_HEIGHT - 2:.0f}" stroke="{_INK}" stroke-width="1.2"/>')
    parts += _mark(finding, at(finding.value), low, high, at)
    return Markup(
        f'<svg class="strip" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-hidden="true">{"".join(parts)}</svg>'
    )


def _mark(finding: Finding, x: float, low: float, high: float, at: Callable[[float], float]) -> list[str]:
    colour = _BAD if finding.verdict == MISSES else _GOOD
    middle = _HEIGHT / 2.0
    if low <= finding.value <= high:
        parts = [f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="3.6" fill="{colour}"/>']
        if math.isfinite(finding.standard_error):
            spread = 2.0 * finding.standard_error
            parts.insert(
                0, _line(at(finding.value - spread), at(finding.value + spread), middle, colour, 2.0)
            )
        return parts
    tip = 5.0 if finding.value > high else -5.0
    return [f'<path d="M{x - tip / 2:.1f} {middle - 4:.1f}l{tip:.1f} 4l{-tip:.1f} 4z" fill="{colour}"/>']


def _line(left: float, right: float, y: float, colour: str, width: float) -> str:
    return f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'


def _span(finding: Finding) -> tuple[float, float]:
    """Return the ends of the axis: the band with half of its width to either side, or what takes its place."""
    low, high = finding.low, finding.high
    if math.isfinite(low) and math.isfinite(high) and high > low:
        return low - 0.5 * (high - low), high + 0.5 * (high - low)
    edges = [x for x in (low, high) if math.isfinite(x)]
    centre = edges[0] if edges else finding.value
    reach = max(abs(finding.value - centre), 0.5 * abs(centre)) * 1.25 or 1.0
    return centre - reach, centre + reach
