"""Numbers of a finding as a reader sees them: enough digits to judge by, and no more."""

import math
from typing import Any

from cardarena.benchmarks.validation.findings import Finding

#: Units that say nothing beside the number.
_SILENT = {"share": "", "ratio": ""}


def number(value: float) -> str:
    """Return a number with three digits that count, thousands apart, and a true minus sign.

    Example:
        >>> number(15233.4), number(0.37812), number(1.98e-5), number(-2.0), number(float("nan"))
        ('15,233', '0.378', '1.98e−05', '−2', '–')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 100.0:
        text = f"{size:,.0f}"
    elif 0.0 < size < 1e-3:
        text = f"{size:.3g}".replace("-", "−")
    else:
        text = f"{size:.3g}"
    return ("−" if value < 0 else "") + text


def value_text(finding: Finding) -> str:
    """Return the value and its standard error.

    Example:
        >>> value_text(Finding("A2", "men", 60.108, 0.1353))
        '60.1 ± 0.14'
    """
    if not math.isfinite(finding.standard_error):
        return number(finding.value)
    return f"{number(finding.value)} ± {number(float(f'{finding.standard_error:.2g}'))}"


def band_text(finding: Finding) -> str:
    """Return the band, with the unit where it says something.

    Example:
        >>> band_text(Finding("A2", "men", 60.0, low=58.5, high=61.5, unit="% of people"))
        '58.5 – 61.5 % of people'
        >>> band_text(Finding("D10", "disabled", 3.0, high=10.0)), band_text(Finding("B1", "order", 1.3, low=1.0))
        ('≤ 10', '≥ 1')
    """
    low, high = finding.low, finding.high
    if math.isinf(low) and math.isinf(high):
        text = "any"
    elif math.isinf(low):
        text = f"≤ {number(high)}"
    elif math.isinf(high):
        text = f"≥ {number(low)}"
    elif low == high:
        text = number(low)
    else:
        text = f"{number(low)} – {number(high)}"
    return f"{text} {_SILENT.get(finding.unit, finding.unit)}".rstrip()


def cell_text(value: Any) -> str:
    """Return a cell of a table: numbers as `number` has them, what is missing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    return number(value) if isinstance(value, float) else str(value)
