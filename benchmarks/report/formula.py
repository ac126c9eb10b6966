"""A metric's formula, written with a little TeX, as HTML that needs no script."""

import re

from markupsafe import Markup, escape

_WORDS = {r"\sum": "Σ", r"\pi": "π", r"\times": "×", r"\cdot": "·", r"\le": "≤", r"\ge": "≥", r"\,": " "}


def html_of(formula: str) -> Markup:
    r"""Return the formula, escaped, with what stands between dollars set as mathematics.

    Example:
        >>> html_of(r"closed < all / $N_0$")
        Markup('closed &lt; all / <i>N<sub>0</sub></i>')
    """
    parts = re.split(r"\$([^$]*)\$", formula)
    return Markup("").join(_maths(part) if i % 2 else escape(part) for i, part in enumerate(parts))


def _maths(text: str) -> Markup:
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2 ", text)
    text = re.sub(r"\\math\w+\{([^{}]*)\}", r"\1", text)
    for word, sign in _WORDS.items():
        text = text.replace(word, sign)
    safe = str(escape(text.replace("-", "−")))
    safe = re.sub(r"_\{([^{}]*)\}|_(\w)", lambda m: f"<sub>{m[1] or m[2]}</sub>", safe)
    safe = re.sub(r"\^\{([^{}]*)\}|\^(\w)", lambda m: f"<sup>{m[1] or m[2]}</sup>", safe)
    return Markup(f"<i>{safe.replace(chr(92), '')}</i>")
